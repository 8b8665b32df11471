"""What an event left in one topic: where it lies among the records, its copies, and where reading may stop."""

from __future__ import annotations

from edge.oncall.passage import GRACE_MS, GRACE_RECORDS, Passage, subject
from streams.envelope import TICK, decode_envelope, decode_push
from streams.marker import HEADERS
from tests.unit.edge.oncall.traced import ABOUT, ACCOUNT, HIGH, NOW, SEQ, TOPOLOGY, Raw, envelope, event, push


def test_subject_is_what_the_record_says_of_itself() -> None:
    """Position, account, lane and end come from the record and the policy of its type."""
    assert (ABOUT.seq, ABOUT.account, ABOUT.lane) == (SEQ, ACCOUNT, HIGH)
    assert ABOUT.expires == NOW + 7 * 86_400_000
    unknown = subject(TOPOLOGY, 3, event(type="no.such"))
    assert (unknown.lane, unknown.expires) == (-1, -1)
    assert unknown.event is not None
    broken = subject(TOPOLOGY, 3, Raw(7, NOW, b"\xff", b"{"))
    assert (broken.event, broken.account, broken.seq) == (None, "\ufffd", SEQ)


def test_reading_a_topic_stops_once_the_event_has_passed() -> None:
    """Positions rise: what comes a while after the event's place can only be later events."""
    passage = Passage(ABOUT, "route", "events.high", decode_envelope)
    assert not passage.take(Raw(0, NOW, b"", envelope(SEQ - 1)))
    assert not passage.take(Raw(1, NOW, b"", TICK))
    assert not passage.take(Raw(1, NOW + 1, b"", envelope()))
    assert not passage.take(Raw(2, NOW + 1 + GRACE_MS, b"", envelope(SEQ + 1)))
    assert passage.take(Raw(3, NOW + 2 + GRACE_MS, b"", envelope(SEQ + 2)))
    assert passage.take(Raw(4, NOW + 2 + GRACE_MS, b"", TICK))
    absent = Passage(ABOUT, "route", "events.high", decode_envelope)
    assert not absent.take(Raw(0, NOW, b"", envelope(SEQ + 1)))
    assert absent.take(Raw(1, NOW + 1 + GRACE_MS, b"", envelope(SEQ + 2)))
    assert absent.found is None


def test_reading_a_busy_topic_stops_after_so_many_records() -> None:
    """Where many events pass in a short time, copies are looked for among the next ones only."""
    passage = Passage(ABOUT, "route", "events.high", decode_envelope)
    records = [Raw(0, NOW, b"", envelope()), *[Raw(1, NOW, b"", envelope(SEQ + 1))] * GRACE_RECORDS]
    assert [passage.take(record) for record in records] == [False] * GRACE_RECORDS + [True]


def test_a_record_is_before_the_event_or_not() -> None:
    """By this the event's place in a topic is found without reading what lies before it."""
    passage = Passage(ABOUT, "route", "events.high", decode_envelope)
    assert [passage.reached(Raw(0, NOW, b"", envelope(SEQ + step))) for step in (-1, 0, 1)] == [False, True, True]


def test_session_markers_are_passed_over() -> None:
    """They lie between the records of a topic, and say nothing of any event."""
    passage = Passage(ABOUT, "route", "events.high", decode_envelope)
    marker = Raw(0, NOW, None, None, HEADERS)
    assert [passage.take(record) for record in (marker, Raw(1, NOW, None, envelope()), marker)] == [False] * 3
    assert passage.found is not None
    assert passage.copies == 0


def test_a_push_that_only_a_replay_made_is_not_the_event() -> None:
    """It lies behind a later one; between the other stages nothing is made by a replay alone."""
    late = Passage(ABOUT, "store", "push.socket.high", decode_push)
    for record in (Raw(1, NOW, b"", push("tv", seq=SEQ + 1)), Raw(2, NOW, b"", push("tv"))):
        late.take(record)
    assert (late.found, late.copies) == (None, 1)
    first = Passage(ABOUT, "store", "push.socket.high", decode_push)
    first.take(Raw(1, NOW, b"", push("tv", "pad")))
    assert first.steps[0].devices == ("tv", "pad")


def test_what_cannot_be_read_is_counted_and_has_no_place() -> None:
    """Its first place is told; a topic whose records can all be read tells nothing."""
    passage = Passage(ABOUT, "route", "events.high", decode_envelope)
    assert passage.unread.told() == []
    broken = Raw(4, NOW, b"", b"\xc1")
    assert not passage.take(broken)
    (told,) = passage.unread.told()
    assert told.startswith("events.high 3:4 cannot be read: ")
    assert not passage.take(broken._replace(offset=5))
    assert passage.unread.told() == [f"{told}; nor can 1 more of that topic"]
    assert passage.reached(broken) is None
    assert passage.found is None
