"""Kafka under Faust: batches to agents, gapless outputs, and commits that never overtake either."""

from streams.stage import Handler, Output, Record
from streams.transport.agents import add_agent
from streams.transport.app import make_app
from streams.transport.batch import Batch
from streams.transport.failure import DeliveryFailed, Failure, OversizedRecord
from streams.transport.ledger import OffsetsWentBack
from streams.transport.process import EXIT_FAILED, run
from streams.transport.security import KafkaSecurity, SecurityError
from streams.transport.stats import PartitionStats, TransportStats, stats
from streams.transport.transport import BatchTransport, Chain, attach

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
