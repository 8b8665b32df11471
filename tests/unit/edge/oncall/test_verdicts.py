"""Every gate that an event came to has a verdict, with the numbers that decided."""

from __future__ import annotations

import msgspec
import pytest

from edge.oncall.verdicts import Said, Verdict, Way, verdicts
from streams.envelope import VERSION, Envelope
from streams.event import Event
from streams.limits import Limits
from streams.outcomes import Kind, Outcome
from streams.targets import Predicate
from tests.unit.fakes import NOW, at, shipped_topology

TOPOLOGY = shipped_topology()
EVENT = Event("anna", "/s", "e1", "member.plan.changed", NOW - 250, payload=b"{}")
DAY = 86_400_000
ENVELOPE = Envelope(
    VERSION, b"topc", 3, at(7), 1, "anna", "/s", "e1", "member.plan.changed", NOW - 250, NOW, NOW - 250 + DAY,
    NOW + 7 * DAY, "", b"", Predicate(types=5, ids=("tv",), origin="phone"), "member.plan.changed", 4,
)  # fmt: skip
ARRIVED = Way(120, NOW, None, -1, None, -1)
ROUTED = ARRIVED._replace(routed=ENVELOPE, routed_at=NOW + 40)
NOTIFIED = ROUTED._replace(notified=ENVELOPE, notified_at=NOW + 50)
ROUTE = [
    ("event", "type member.plan.changed, use case plan-change"),
    ("size", "120 bytes, limit 16384"),
    ("future", "0 ms ahead, tolerance 300000 ms"),
    ("age", "age 250 ms, limit 86400000 ms"),
    ("partition", "of its account"),
    ("duplicates", "no other event with this id in 10m"),
]
NOTIFY = [
    ("age", "age 290 ms, limit 86400000 ms"),
    ("target", "tv, phone; only tv; not phone, its origin"),
    ("superseded", "collapse key member.plan.changed, version 4: none newer"),
]


def judged(way: Way, *said: tuple[str, Kind, str], event: Event | None = EVENT) -> list[Verdict]:
    """The verdicts."""
    outcomes = [Said(stage, Outcome(kind, "anna", at(7), detail=detail)) for stage, kind, detail in said]
    return list(verdicts(TOPOLOGY, Limits(), event, way, outcomes))


def passes(found: list[Verdict], stage: str) -> list[tuple[str, str]]:
    """The gates of a stage that let the event pass."""
    return [(verdict.gate, verdict.detail) for verdict in found if verdict.stage == stage and verdict.passed]


def test_an_event_that_went_all_the_way() -> None:
    """Its numbers at every gate are those of the records that the stages read."""
    found = judged(NOTIFIED)
    assert passes(found, "route") == ROUTE
    assert passes(found, "notify") == NOTIFY
    assert passes(found, "store") == [("life", f"{7 * DAY - 50} ms to be read, {DAY - 300} ms to be pushed")]
    assert len(found) == len(ROUTE) + len(NOTIFY) + 1


def test_a_stage_that_has_not_decided_says_nothing() -> None:
    """Neither before route nor between the stages is there a verdict that nobody has given."""
    assert judged(ARRIVED) == []
    assert {verdict.stage for verdict in judged(ROUTED)} == {"route"}


@pytest.mark.parametrize(
    ("kind", "detail", "gate", "before"),
    [
        ("dead-lettered", "oversized: 17000 bytes, limit 16384", "size", 1),
        ("dead-lettered", "future-dated: 400000 ms ahead, tolerance 300000 ms", "future", 2),
        ("stale", "route: age 9 ms, limit 8 ms", "age", 3),
        ("dead-lettered", "wrong-partition: account belongs on partition 5", "partition", 4),
        ("duplicate", "of 3:5", "duplicates", 5),
        ("conflict", "conflict: same id as 3:5, another payload", "duplicates", 5),
    ],
)
def test_a_refusal_is_the_last_verdict(kind: Kind, detail: str, gate: str, before: int) -> None:
    """The gates before it passed; its own words are those of the outcome; those behind it were not asked."""
    found = judged(ARRIVED, ("route", kind, detail))
    assert [(verdict.gate, verdict.detail) for verdict in found[:-1]] == ROUTE[:before]
    assert found[-1] == Verdict(stage="route", gate=gate, passed=False, detail=detail)


@pytest.mark.parametrize("event", [None, msgspec.structs.replace(EVENT, type="no.such")])
def test_what_is_no_event_is_refused_as_such(event: Event | None) -> None:
    """A record that cannot be read, and a type that nobody knows."""
    detail = "undecodable: not JSON" if event is None else "unknown-type: no use case has it"
    [found] = judged(ARRIVED, ("route", "dead-lettered", detail), event=event)
    assert (found.passed, found.detail) == (False, detail)


@pytest.mark.parametrize(
    ("kind", "gate", "before"), [("stale", "age", 0), ("no-target", "target", 1), ("superseded", "superseded", 2),
                                 ("merged", "merge", 3)],
)  # fmt: skip
def test_a_refusal_of_notify(kind: Kind, gate: str, before: int) -> None:
    """What supersedes an event, or what it was merged into, is in the outcome's words."""
    found = judged(ROUTED, ("notify", kind, "by 3:9: 5 is newer than 4"))
    assert passes(found, "route") == ROUTE
    assert passes(found, "notify") == NOTIFY[:before]
    assert found[-1] == Verdict(stage="notify", gate=gate, passed=False, detail="by 3:9: 5 is newer than 4")


def test_no_device_is_meant() -> None:
    """`store` is the last that can refuse."""
    found = judged(NOTIFIED, ("store", "no-target", "no registered device is meant"))
    assert found[-1] == Verdict(stage="store", gate="target", passed=False, detail="no registered device is meant")


def test_a_stage_that_forwarded_outranks_what_a_replay_said() -> None:
    """A replay that found the event superseded did not take back its notification."""
    assert passes(judged(NOTIFIED, ("notify", "superseded", "by 3:9")), "notify") == NOTIFY


def test_an_event_without_collapse_key_or_restriction() -> None:
    """Every device type of the use case."""
    plain = msgspec.structs.replace(ENVELOPE, collapse_key="", target=Predicate())
    found = judged(ROUTED._replace(routed=plain, notified=plain))
    assert passes(found, "notify")[1:] == [
        ("target", "tv, stick, phone, tablet, browser"), ("superseded", "no collapse key"),
    ]  # fmt: skip
