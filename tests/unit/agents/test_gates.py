"""The gates, one by one, at their edges."""

from __future__ import annotations

import msgspec
import pytest

from agents.gates import (
    WEEK_MS,
    Addressable,
    Facts,
    Gate,
    Past,
    Sized,
    deadline_of,
    expiry_of,
    first_refusal,
    fresh,
    stale,
    unknown_type,
)  # fmt: skip
from streams.event import Event
from streams.policies import Policy

EVENT = Event(account="a", source="/s", id="1", type="t", time=1_000_000)
POLICY = Policy(use_case="u", lanes=((0, 1),), max_age=5_000, ttl=60_000, collapse=False, types=3, least=0)
FACTS = Facts(appended=1_000_000, size=100, policy=POLICY)
ALL: tuple[Gate, ...] = (Sized(100), Addressable(("tv",)), Past(300), fresh)


@pytest.mark.parametrize("gate", ALL)
def test_an_ordinary_event_passes_every_gate(gate: Gate) -> None:
    """No gate has a word against a young, small, known event."""
    assert gate(EVENT, FACTS) is None


@pytest.mark.parametrize(
    ("event", "facts", "kind", "reason"),
    [
        (EVENT, msgspec.structs.replace(FACTS, size=101), "dead-lettered", "oversized"),
        (msgspec.structs.replace(EVENT, device_types=("tv", "fridge")), FACTS, "dead-lettered", "bad-attribute"),
        (msgspec.structs.replace(EVENT, time=1_000_301), FACTS, "dead-lettered", "future-dated"),
        (EVENT, msgspec.structs.replace(FACTS, appended=1_005_001), "stale", None),
        (msgspec.structs.replace(EVENT, expires=999_999), FACTS, "stale", None),
    ],
)
def test_each_refusal_has_its_kind_and_reason(event: Event, facts: Facts, kind: str, reason: str | None) -> None:
    """One step past each limit refuses, with the right kind and reason."""
    refusal = first_refusal(ALL, event, facts)
    assert refusal is not None
    assert (refusal.kind, refusal.reason) == (kind, reason)


def test_the_limits_themselves_still_pass() -> None:
    """Size, tolerance and age are inclusive."""
    event = msgspec.structs.replace(EVENT, time=1_000_300, expires=1_000_300)
    assert first_refusal(ALL, event, msgspec.structs.replace(FACTS, appended=1_000_300)) is None
    assert first_refusal(ALL, EVENT, msgspec.structs.replace(FACTS, appended=1_005_000)) is None


def test_a_refusal_for_age_names_age_and_limit() -> None:
    """On-call reads the numbers in the outcome."""
    assert stale("route", 1_006_000, 1_000_000, 1_005_000).text() == "route: age 6000 ms, limit 5000 ms"


def test_the_first_gate_that_refuses_decides() -> None:
    """An event that is oversized and stale is oversized."""
    refusal = first_refusal(ALL, EVENT, msgspec.structs.replace(FACTS, appended=2_000_000, size=101))
    assert refusal is not None
    assert refusal.reason == "oversized"


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
    assert (deadline_of(EVENT, FACTS), deadline_of(short, FACTS)) == (1_005_000, 1_002_000)
    assert (expiry_of(EVENT, FACTS), expiry_of(short, FACTS)) == (1_060_000, 1_002_000)
    assert expiry_of(msgspec.structs.replace(EVENT, expires=10**15), FACTS) == 1_000_000 + WEEK_MS
