"""A trace is put together from the records of the topics: stages, devices, copies, and where reading may stop."""

from __future__ import annotations

import msgspec
import pytest

from edge.oncall.passage import GRACE_MS, Passage
from edge.oncall.trace import Letters, Reports, carries, way_of
from edge.oncall.tracing_text import lines
from streams.deadletters import Action, Done, Identity, Origin, dead_letter, done
from streams.envelope import decode_envelope, notification_id
from streams.outcomes import ANY_LANE, Outcome
from tests.unit.edge.oncall.traced import (
    ABOUT,
    ACCOUNT,
    HIGH,
    NOW,
    SEQ,
    TOPIC_ID,
    Raw,
    envelope,
    event,
    outcomes,
    push,
    traced,
)


def test_the_whole_way() -> None:
    """Stages by time, each device folded, the notification's id as devices see it."""
    trace = traced(
        passed={
            "events.high": [Raw(70, NOW + 2, b"", envelope())],
            "notifications.high": [Raw(71, NOW + 4, b"", envelope())],
            "push.socket.high": [Raw(72, NOW + 6, b"", push("tv"))],
        },
        reports=[
            outcomes("store", Outcome("stored", ACCOUNT, SEQ, ("tv", "phone")), ms=7),
            outcomes("push", Outcome("pushed", ACCOUNT, SEQ, ("tv",), lane=HIGH), ms=9),
            outcomes("edge", Outcome("acked", ACCOUNT, SEQ + 3, ("tv",), since=SEQ - 1, lane=HIGH), ms=30),
        ],
    )
    assert [(step.ms, step.what, step.where) for step in trace.steps] == [
        (2, "forwarded", "events.high 3:70"),
        (4, "forwarded", "notifications.high 3:71"),
        (6, "forwarded", "push.socket.high 3:72"),
        (7, "stored", ""),
        (9, "pushed", ""),
    ]
    assert [(fate.device, fate.outcome, fate.ms) for fate in trace.devices] == [
        ("phone", "stored", 7),
        ("tv", "acked", 30),
    ]
    assert trace.verdict == "delivered to 1 of 2 devices"
    assert (trace.lane, trace.copies) == ("high", 0)
    assert trace.notification == notification_id(SEQ, 3, TOPIC_ID).hex()


@pytest.mark.parametrize(
    ("since", "to", "lane", "account", "covered"),
    [
        (SEQ - 1, SEQ, HIGH, ACCOUNT, True),
        (-1, SEQ + 100, HIGH, ACCOUNT, True),
        (SEQ, SEQ + 1, HIGH, ACCOUNT, False),
        (-1, SEQ - 1, HIGH, ACCOUNT, False),
        (-1, SEQ, HIGH + 1, ACCOUNT, False),
        (-1, SEQ, HIGH, "another", False),
    ],
)
def test_range_covers(since: int, to: int, lane: int, account: str, covered: bool) -> None:
    """A range is (since, to] of one lane of one account."""
    said = [
        outcomes("store", Outcome("stored", ACCOUNT, SEQ, ("tv",))),
        outcomes("edge", Outcome("pulled", account, to, ("tv",), since=since, lane=lane), ms=9),
    ]
    assert traced(reports=said).devices[0].outcome == ("pulled" if covered else "stored")


def test_copies_are_counted_and_change_nothing() -> None:
    """A replay says the same again, in topics and outcomes."""
    stored = Outcome("stored", ACCOUNT, SEQ, ("tv", "phone"), "socket: tv; inbox: phone", lane=HIGH)
    again = Outcome("stored", ACCOUNT, SEQ, ("phone", "tv"), "inbox: phone, tv", lane=HIGH)
    trace = traced(
        passed={"events.high": [Raw(offset, NOW + offset, b"", envelope()) for offset in (1, 2, 3)]},
        reports=[outcomes("store", stored), outcomes("store", again, ms=8)],
    )
    assert trace.copies == 3
    assert [step.what for step in trace.steps] == ["forwarded", "stored"]
    assert list(lines(trace))[-1] == "  delivered to 0 of 2 devices; 3 copies made by replays"


def test_a_push_that_only_a_replay_made_is_a_copy() -> None:
    """It lies behind a later one: `push` drops it, so that nothing was sent, as the audit says too."""
    late = [Raw(72, NOW + 6, b"", push("tv", seq=SEQ + 1)), Raw(73, NOW + 9, b"", push("tv", "pad"))]
    trace = traced(
        passed={"notifications.high": [Raw(71, NOW + 4, b"", envelope())], "push.socket.high": late},
        reports=[outcomes("store", Outcome("stored", ACCOUNT, SEQ, ("tv",)))],
    )
    assert [(step.what, step.where) for step in trace.steps] == [
        ("forwarded", "notifications.high 3:71"),
        ("stored", ""),
    ]
    assert [(fate.device, fate.outcome) for fate in trace.devices] == [("tv", "stored")]
    assert trace.copies == 1
    repeated = traced(passed={"events.high": [Raw(72, NOW, b"", envelope(SEQ + 1)), Raw(73, NOW + 9, b"", envelope())]})
    assert len(repeated.steps) == 1  # between the other stages nothing is made by a replay alone


def test_device_outranks_what_a_replay_says_of_the_event() -> None:
    """An event that was delivered and found superseded by a replay was delivered."""
    superseded = outcomes("notify", Outcome("superseded", ACCOUNT, SEQ, detail=f"by {SEQ + 1}"))
    assert traced(reports=[superseded]).verdict == f"superseded (by {SEQ + 1})"
    said = [
        superseded,
        outcomes("store", Outcome("stored", ACCOUNT, SEQ, ("tv",))),
        outcomes("edge", Outcome("acked", ACCOUNT, SEQ, ("tv",), since=-1, lane=HIGH)),
    ]
    assert traced(reports=said).verdict == "delivered to 1 of 1 devices"
    assert traced(reports=said[:2]).verdict.startswith("superseded")


def test_event_on_its_way() -> None:
    """Without an outcome the trace says how far the event came."""
    assert traced().verdict == "in ingest; no stage has said anything of it"
    trace = traced(passed={"events.high": [Raw(1, NOW + 1, b"", envelope())], "notifications.high": []})
    assert trace.verdict == "on its way; last seen events.high 3:1"
    assert traced(reports=[outcomes("route", Outcome("no-target", ACCOUNT, SEQ))]).verdict == "no-target"


def test_how_far_the_event_came() -> None:
    """Its envelopes, each with the time at which the next stage met it."""
    passages = [Passage(ABOUT, "stage", topic, decode_envelope) for topic in ("events.high", "notifications.high")]
    arrived = way_of(event(), passages)
    assert (arrived.appended, arrived.routed, arrived.notified) == (NOW, None, None)
    assert arrived.size == len(event().value or b"") + len("content-type") + len("application/cloudevents+json")
    for ms, passage in enumerate(passages, 1):
        passage.take(Raw(0, NOW + ms, b"", envelope()))
    way = way_of(event(), passages)
    assert (way.routed_at, way.notified_at, way.routed) == (NOW + 1, NOW + 2, passages[0].found)


def test_reading_outcomes_stops_once_all_devices_have_it() -> None:
    """A device that has not fetched the event keeps the search going, a terminal word for each ends it."""
    stored = outcomes("store", Outcome("stored", ACCOUNT, SEQ, ("tv", "phone")))
    tv, phone = (Outcome("acked", ACCOUNT, SEQ, (device,), since=-1, lane=HIGH) for device in ("tv", "phone"))
    later = outcomes("edge", Outcome("stored", ACCOUNT, SEQ + 1, ("tv",)), ms=GRACE_MS + 8)
    open_ended = Reports(ABOUT, HIGH, -1)
    assert [open_ended.take(record) for record in (stored, outcomes("edge", tv, ms=6), later)] == [False] * 3
    settled = Reports(ABOUT, HIGH, -1)
    both = outcomes("edge", tv, phone, ms=7)
    assert [settled.take(record) for record in (stored, both, later)] == [False, False, True]


def test_what_a_push_came_to_is_said_of_one_event() -> None:
    """`pushed` and `undeliverable` name their lane and are no ranges: those of later events say nothing of this one."""
    pushed = Outcome("pushed", ACCOUNT, SEQ, ("tv",), lane=HIGH)
    missed = Outcome("undeliverable", ACCOUNT, SEQ, ("phone",), "404", lane=HIGH)
    later = [msgspec.structs.replace(outcome, seq=SEQ + 1) for outcome in (pushed, missed)]
    trace = traced(
        reports=[outcomes("store", Outcome("stored", ACCOUNT, SEQ, ("tv", "phone"))), outcomes("push", *later)]
    )
    assert [(fate.device, fate.outcome) for fate in trace.devices] == [("phone", "stored"), ("tv", "stored")]
    trace = traced(reports=[outcomes("push", pushed, missed, ms=9)])
    assert [step.what for step in trace.steps] == ["pushed", "undeliverable"]
    assert [(fate.device, fate.outcome, fate.ms) for fate in trace.devices] == [
        ("phone", "undeliverable", 9),
        ("tv", "pushed", 9),
    ]


def test_dead_letter_of_this_record_only() -> None:
    """A dead letter names the record it was; others, and foreign records, are passed over."""
    letters = Letters(ABOUT, "ingest")
    raw = event()
    other = raw._replace(offset=8)
    for offset, record in enumerate((other, raw, raw)):
        headers = dead_letter(Origin("ingest", 3, record.offset, "oversized", "17000 bytes"), record.headers)
        assert not letters.take(Raw(offset, NOW + 2, raw.key, raw.value, headers))
    assert not letters.take(Raw(9, NOW, None, None))
    assert [(step.where, step.detail) for step in letters.steps] == [("dead-letters 3:1", "oversized")]
    assert letters.copies == 1


def test_what_was_done_to_a_dead_letter_is_a_step() -> None:
    """Where it lies now; what was done to others is passed over."""
    letters = Letters(ABOUT, "ingest")
    raw = event()
    headers = dead_letter(Origin("ingest", 3, raw.offset, "oversized", "17000 bytes"), raw.headers)
    letters.take(Raw(0, NOW + 2, raw.key, raw.value, headers))
    steps: list[tuple[int, Action, str]] = [
        (raw.offset, "replayed", "3:90"), (8, "discarded", ""), (raw.offset, "discarded", ""),
    ]  # fmt: skip
    for letter, action, placed in steps:
        assert not letters.take(Raw(1, NOW + 9, raw.key, None, done(Done(Identity(b"", 3, letter), action, placed))))
    assert [(step.stage, step.what, step.where, step.ms) for step in letters.steps[1:]] == [
        ("dlq", "replayed", "ingest 3:90", 9), ("dlq", "discarded", "", 9),
    ]  # fmt: skip
    assert letters.copies == 0


def test_id_is_found_in_events_and_in_what_is_none() -> None:
    """An event is known by account, id and source; a broken one in binary mode by its key and header."""
    assert carries(event(), ACCOUNT, "e1", None)
    assert carries(event(), ACCOUNT, "e1", "/plans")
    assert not carries(event(), ACCOUNT, "e1", "/other")
    assert not carries(event(), ACCOUNT, "e2", None)
    broken = Raw(1, NOW, ACCOUNT.encode(), b"{", [("ce_id", b"e1")])
    assert carries(broken, ACCOUNT, "e1", None)
    assert not carries(broken, "another", "e1", None)


def coded(device: str, code: str, seq: int = SEQ, account: str = ACCOUNT) -> Outcome:
    """What a device said of one item."""
    return Outcome("acked", account, seq, (device,), code, since=seq - 1, lane=ANY_LANE)


def test_what_a_device_said_of_an_item() -> None:
    """Its code stands; it is the item's, whatever the lane, and never that of another item or account."""
    said = [
        outcomes("store", Outcome("stored", ACCOUNT, SEQ, ("tv", "phone", "pad", "car"))),
        outcomes("edge", Outcome("acked", ACCOUNT, SEQ + 3, ("tv",), since=-1, lane=HIGH), coded("tv", "failed"), ms=9),
        outcomes("edge", coded("phone", "ignored"), ms=10),
        outcomes("edge", coded("pad", "failed", SEQ + 1), coded("pad", "failed", account="another"), ms=11),
        outcomes("edge", coded("car", "what a later release may say"), ms=12),
    ]
    trace = traced(reports=said)
    assert {fate.device: (fate.outcome, fate.code) for fate in trace.devices} == {
        "tv": ("acked", "failed"), "phone": ("acked", "ignored"), "pad": ("stored", ""), "car": ("acked", ""),
    }  # fmt: skip
    assert trace.verdict == "delivered to 3 of 4 devices; 1 ignored, 1 failed"


def test_outcomes_that_cannot_be_read_are_named() -> None:
    """Those of the account, as far as can be told: the others are not looked at."""
    trace = traced(reports=[Raw(1, NOW, b"", ACCOUNT.encode()), Raw(2, NOW, b"", b"\xc1"), outcomes("route")])
    (told,) = trace.unread
    assert told.startswith("outcomes 3:1 cannot be read: ")
    assert f"  {told}" in lines(trace)
