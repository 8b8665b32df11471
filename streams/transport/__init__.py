"""Kafka under Faust: batches to agents, gapless outputs, and commits that never overtake either.

Names are loaded when they are asked for: commands that only read or publish (`client`) do without Faust, whose import
takes half a second. No module of the package may have one of these names: it would take its place.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from streams.record import Record
    from streams.stage import Handler, Output
    from streams.transport.agents import add_agent
    from streams.transport.app import make_app
    from streams.transport.batch import Batch
    from streams.transport.failure import DeliveryFailed, Failure, OversizedRecord
    from streams.transport.figures import PartitionStats, TransportStats, stats
    from streams.transport.ledger import OffsetsWentBack
    from streams.transport.process import EXIT_FAILED, run
    from streams.transport.security import KafkaSecurity, SecurityError
    from streams.transport.transport import BatchTransport, Chain, attach

_HOMES: Final = {
    "streams.record": ("Record",),
    "streams.stage": ("Handler", "Output"),
    "streams.transport.agents": ("add_agent",),
    "streams.transport.app": ("make_app",),
    "streams.transport.batch": ("Batch",),
    "streams.transport.failure": ("DeliveryFailed", "Failure", "OversizedRecord"),
    "streams.transport.ledger": ("OffsetsWentBack",),
    "streams.transport.process": ("EXIT_FAILED", "run"),
    "streams.transport.security": ("KafkaSecurity", "SecurityError"),
    "streams.transport.figures": ("PartitionStats", "TransportStats", "stats"),
    "streams.transport.transport": ("BatchTransport", "Chain", "attach"),
}

__all__ = [
    "EXIT_FAILED",
    "Batch",
    "BatchTransport",
    "Chain",
    "DeliveryFailed",
    "Failure",
    "Handler",
    "KafkaSecurity",
    "OffsetsWentBack",
    "Output",
    "OversizedRecord",
    "PartitionStats",
    "Record",
    "SecurityError",
    "TransportStats",
    "add_agent",
    "attach",
    "make_app",
    "run",
    "stats",
]


def __getattr__(name: str) -> Any:
    """A public name, from the module that defines it."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
