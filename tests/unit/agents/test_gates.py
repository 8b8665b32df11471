"""The gates, one by one, at their edges."""

from __future__ import annotations

import msgspec
import pytest

from agents.gates import WEEK_MS, Gates, deadline_of, expiry_of, stale, unknown_type, wrong_partition
from streams.event import Event
from streams.limits import Limits
from streams.policies import Policy

EVENT = Event(account="a", source="/s", id="1", type="t", time=1_000_000)
POLICY = Policy(use_case="u", lanes=((0, 1),), max_age=5_000, ttl=60_000, collapse=False, types=3, least=0)
NOW = 1_000_000
GATES = Gates(Limits(event_bytes=100, future_tolerance=0.3), ("tv",))


def test_an_ordinary_event_passes_every_gate() -> None:
    """No gate has a word against a young, small, known event, nor against one at the limits themselves."""
    assert GATES.bad(EVENT, 10, NOW) is None
    edge = msgspec.structs.replace(EVENT, time=NOW + 300, device_types=("tv",))
    assert GATES.bad(edge, 100, NOW) is None
    assert stale("route", NOW + 5_000, NOW, deadline_of(EVENT, POLICY)) is None


@pytest.mark.parametrize(
    ("event", "size", "reason"),
    [
        (EVENT, 101, "oversized"),
        (msgspec.structs.replace(EVENT, device_types=("tv", "fridge")), 10, "bad-attribute"),
        (msgspec.structs.replace(EVENT, time=NOW + 301), 10, "future-dated"),
        (msgspec.structs.replace(EVENT, time=NOW + 301, device_types=("fridge",)), 101, "oversized"),
    ],
)
def test_each_refusal_has_its_kind_and_reason(event: Event, size: int, reason: str) -> None:
    """One step past each limit refuses, with the right kind and reason; the first gate that refuses decides."""
    refusal = GATES.bad(event, size, NOW)
    assert refusal is not None
    assert (refusal.kind, refusal.reason) == ("dead-lettered", reason)


def test_a_refusal_is_short_whatever_the_event_holds() -> None:
    """It goes into the outcome and into a header of the dead letter."""
    refusal = GATES.bad(msgspec.structs.replace(EVENT, device_types=("\x7f" * 5_000,)), 10, NOW)
    assert refusal is not None
    assert len(refusal.text()) < 1000


def test_a_refusal_for_age_names_age_and_limit() -> None:
    """On-call reads the numbers in the outcome."""
    refusal = stale("route", 1_006_000, 1_000_000, 1_005_000)
    assert refusal is not None
    assert (refusal.kind, refusal.reason) == ("stale", None)
    assert refusal.text() == "route: age 6000 ms, limit 5000 ms"


def test_an_unknown_type_is_named() -> None:
    """The dead letter says which type no use case has."""
    refusal = unknown_type(EVENT)
    assert (refusal.kind, refusal.reason, refusal.detail) == (
        "dead-lettered",
        "unknown-type",
        "no use case has the type 't'",
    )
    assert refusal.text() == "unknown-type: no use case has the type 't'"


def test_deadline_and_expiry_are_the_nearer_of_policy_and_event() -> None:
    """An event's own expiry shortens the deadline, replaces the TTL, and never outlives a week."""
    short = msgspec.structs.replace(EVENT, expires=1_002_000)
    assert (deadline_of(EVENT, POLICY), deadline_of(short, POLICY)) == (1_005_000, 1_002_000)
    assert (expiry_of(EVENT, POLICY, NOW), expiry_of(short, POLICY, NOW)) == (1_060_000, 1_002_000)
    assert expiry_of(msgspec.structs.replace(EVENT, expires=10**15), POLICY, NOW) == 1_000_000 + WEEK_MS


def test_the_right_partition_is_named() -> None:
    """The dead letter tells its producer where the account belongs."""
    refusal = wrong_partition(3)
    assert (refusal.kind, refusal.reason) == ("dead-lettered", "wrong-partition")
    assert refusal.detail.startswith("account belongs on partition 3:")
