"""The gates of `route` and `notify`: pure verdicts on one event, facts in, refusal out."""

from __future__ import annotations

from typing import NamedTuple

from streams.event import Event
from streams.limits import Limits
from streams.outcomes import Kind, Reason
from streams.policies import Policy

WEEK_MS = 7 * 86_400_000


class Refusal(NamedTuple):
    """Why an event ends at a gate. `reason` is set where it goes to the dead letters."""

    kind: Kind
    detail: str
    reason: Reason | None = None

    def text(self) -> str:
        """As an outcome tells it."""
        return self.detail if self.reason is None else f"{self.reason}: {self.detail}"


def unknown_type(event: Event) -> Refusal:
    """The refusal of an event whose type belongs to no use case."""
    return Refusal("dead-lettered", f"no use case has the type {event.type!r}", "unknown-type")


def wrong_partition(right: int) -> Refusal:
    """The refusal of an event that lies elsewhere than the others of its account."""
    detail = f"account belongs on partition {right}: producers must partition by murmur2"
    return Refusal("dead-lettered", detail, "wrong-partition")


class Gates:
    """What every event is asked, cheapest first; the first word against it decides. Sizes in bytes, times in ms.

    `appended` is the broker time of the record: the latest append time of its partition up to it.
    """

    def __init__(self, limits: Limits, device_types: tuple[str, ...]) -> None:
        self._event_bytes = limits.event_bytes
        self._tolerance = int(limits.future_tolerance * 1000)
        self._device_types = frozenset(device_types)

    def bad(self, event: Event, size: int, appended: int) -> Refusal | None:
        """What its producer has to mend: it is too large, names device types that do not exist, or lies ahead."""
        if size > self._event_bytes:
            return Refusal("dead-lettered", f"{size} bytes, limit {self._event_bytes}", "oversized")
        if event.device_types:
            for name in event.device_types:
                if name not in self._device_types:
                    return Refusal("dead-lettered", f"unknown device type {name[:64]!r}", "bad-attribute")
        ahead = event.time - appended
        if ahead > self._tolerance:
            return Refusal("dead-lettered", f"{ahead} ms ahead, tolerance {self._tolerance} ms", "future-dated")
        return None


def stale(stage: str, at: int, time: int, deadline: int) -> Refusal | None:
    """The refusal of an event that came to `stage` after its deadline, with the numbers that say so."""
    if at <= deadline:
        return None
    return Refusal("stale", f"{stage}: age {at - time} ms, limit {deadline - time} ms")


def deadline_of(event: Event, policy: Policy) -> int:
    """Last moment at which the event is processed or pushed, ms."""
    deadline, expires = event.time + policy.max_age, event.expires
    return deadline if expires is None or deadline < expires else expires


def expiry_of(event: Event, policy: Policy, appended: int) -> int:
    """Last moment at which the notification can be read, ms: at most a week after the append."""
    expires, longest = event.expires, appended + WEEK_MS
    if expires is None:
        expires = appended + policy.ttl
    return expires if expires < longest else longest
