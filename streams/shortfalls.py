"""What of topics.yaml is too small for the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from streams import sizes
from streams.conform import Mistake
from streams.settings import Settings
from streams.topology import Topology, milliseconds, size_bytes

#: The longest record of each topic, by the longest event.
_LONGEST: Final[Mapping[str, Callable[[int], int]]] = {
    "ingest": sizes.envelope,
    "events.{lane}": sizes.envelope,
    "notifications.{lane}": sizes.notification,
    "push.{platform}.{lane}": sizes.push,
    "push.{platform}.{lane}.retry": sizes.retry,
}


def short_windows(topology: Topology, settings: Settings) -> Iterator[Mistake]:
    """Tables that would forget an event while it may still be sent again."""
    horizon = settings.limits.redelivery_horizon
    seen = topology.tables.get("seen")
    if seen is not None and milliseconds(seen.window) < horizon * 1000:
        message = (
            f"{seen.window} is less than the redelivery horizon, {horizon:g}s (LOCKSTEP_LIMITS__REDELIVERY_HORIZON)"
        )
        yield Mistake(("tables", "seen", "window"), message)


def short_messages(topology: Topology, settings: Settings) -> Iterator[Mistake]:
    """Topics that would refuse what comes of the longest event: the worker that makes such a record ends for good."""
    event, kafka = settings.limits.event_bytes, settings.kafka.max_message_bytes
    for name, longest in _LONGEST.items():
        if name in topology.topics:
            taken = topology.topics[name].max_message
            for what, most in ((taken, size_bytes(taken)), (f"LOCKSTEP_KAFKA__MAX_MESSAGE_BYTES, {kafka},", kafka)):
                if most < longest(event):
                    message = (
                        f"{what} is less than a record may have, {longest(event)} bytes: "
                        f"events have up to {event} (LOCKSTEP_LIMITS__EVENT_BYTES)"
                    )
                    yield Mistake(("topics", name, "max_message"), message)
