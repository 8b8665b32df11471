"""The gates of `route` and `notify`: pure verdicts on one event, facts in, refusal out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from streams.event import Event
from streams.outcomes import Kind, Reason
from streams.policies import Policy

WEEK_MS = 7 * 86_400_000


class Facts(msgspec.Struct, gc=False, frozen=True):
    """What a gate may know beside the event. Times in ms.

    `appended` is the broker time of the record: the latest append time of its partition up to it.
    """

    appended: int
    size: int
    policy: Policy


class Refusal(NamedTuple):
    """Why an event ends at a gate. `reason` is set where it goes to the dead letters."""

    kind: Kind
    detail: str
    reason: Reason | None = None

    def text(self) -> str:
        """As an outcome tells it."""
        return self.detail if self.reason is None else f"{self.reason}: {self.detail}"


Gate = Callable[[Event, Facts], Refusal | None]


def unknown_type(event: Event) -> Refusal:
    """The refusal of an event whose type belongs to no use case."""
    return Refusal("dead-lettered", f"no use case has the type {event.type!r}", "unknown-type")


class Addressable:
    """The device types that the event names exist."""

    def __init__(self, device_types: tuple[str, ...]) -> None:
        self._known = frozenset(device_types)

    def __call__(self, event: Event, facts: Facts) -> Refusal | None:
        for name in event.device_types:
            if name not in self._known:
                return Refusal("dead-lettered", f"unknown device type {name!r}", "bad-attribute")
        return None


class Sized:
    """The event is not larger than `limit` bytes, headers included."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def __call__(self, event: Event, facts: Facts) -> Refusal | None:
        if facts.size <= self._limit:
            return None
        return Refusal("dead-lettered", f"{facts.size} bytes, limit {self._limit}", "oversized")


class Past:
    """The event's time is not further ahead of the broker's clock than `tolerance` ms."""

    def __init__(self, tolerance: int) -> None:
        self._tolerance = tolerance

    def __call__(self, event: Event, facts: Facts) -> Refusal | None:
        ahead = event.time - facts.appended
        if ahead <= self._tolerance:
            return None
        return Refusal("dead-lettered", f"{ahead} ms ahead, tolerance {self._tolerance} ms", "future-dated")


def fresh(event: Event, facts: Facts) -> Refusal | None:
    """The event still matters: younger than its use case's max age, and not past its own expiry."""
    deadline = deadline_of(event, facts)
    if facts.appended <= deadline:
        return None
    return stale("route", facts.appended, event.time, deadline)


def stale(stage: str, at: int, time: int, deadline: int) -> Refusal:
    """The refusal of an event that came too late to `stage`, with the numbers that say so."""
    return Refusal("stale", f"{stage}: age {at - time} ms, limit {deadline - time} ms")


def deadline_of(event: Event, facts: Facts) -> int:
    """Last moment at which the event is processed or pushed, ms."""
    deadline = event.time + facts.policy.max_age
    return deadline if event.expires is None else min(deadline, event.expires)


def expiry_of(event: Event, facts: Facts) -> int:
    """Last moment at which the notification can be read, ms: at most a week after the append."""
    expires = facts.appended + facts.policy.ttl if event.expires is None else event.expires
    return min(expires, facts.appended + WEEK_MS)


def first_refusal(gates: tuple[Gate, ...], event: Event, facts: Facts) -> Refusal | None:
    """The first gate's word that is not silence. Order: cheapest first."""
    for gate in gates:
        refusal = gate(event, facts)
        if refusal is not None:
            return refusal
    return None
