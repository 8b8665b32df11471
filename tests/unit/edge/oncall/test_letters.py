"""Dead letters as the command line tells them: which are meant, each once, and what was done to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge.oncall.letters import Letter, Wanted, as_object, letters, line, markers, whole
from streams.deadletters import Done, Origin, dead_letter, done
from tests.unit.fakes import NOW, FakeRecord

TOPIC = b"topc"
STRUCTURED = [("content-type", b"application/cloudevents+json")]
EVENT = b"""{"specversion":"1.0","id":"e","source":"/s","type":"member.haircut","subject":"acct",
"time":"2027-01-15T08:00:00Z","datacontenttype":"application/json","data":{"secret":1}}"""


def origin(offset: int, reason: str = "unknown-type") -> Origin:
    """Of a record of partition 3 of ingest."""
    return Origin("p.ingest", 3, offset, reason, f"detail {offset}", TOPIC)


def record(offset: int, of: Origin, value: bytes | None = EVENT, **more: Any) -> FakeRecord:
    """A dead letter."""
    headers = dead_letter(of, [*STRUCTURED, ("app", b"\xffx")])
    return FakeRecord(offset, more.pop("key", b"acct"), value, headers, **more)


def marker(offset: int, what: Done) -> FakeRecord:
    """What was done to one."""
    return FakeRecord(offset, b"acct", None, done(what))


REPLAYED = Done(origin(10).identity, "replayed", "3:90")
RECORDS = [
    record(0, origin(10)),
    record(1, origin(11, "undecodable"), b"\xff\xfe", key=None),
    FakeRecord(2, b"a", b"somebody else's", [("lockstep-topic", b"x")]),
    record(3, origin(10)),
    marker(4, REPLAYED),
    record(5, origin(10)._replace(topic_id=b"othr"), timestamp=NOW + 5000),
    marker(6, Done(origin(11).identity, "discarded")),
    marker(7, Done(origin(11).identity, "replayed", "3:91")),
]
FOUND = list(letters(3, RECORDS, markers(RECORDS)))


def test_each_dead_letter_is_told_once_with_the_last_thing_done_to_it() -> None:
    """A copy that a restart made is not told; the same offset of a topic made anew is another letter."""
    assert [(letter.place, letter.done and letter.done.placed) for letter in FOUND] == [
        ("3:0", "3:90"), ("3:1", "3:91"), ("3:5", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (Wanted(), ["3:0", "3:1", "3:5"]),
        (Wanted(offset=1), ["3:1"]),
        (Wanted(offset=3), []),
        (Wanted(reason="undecodable"), ["3:1"]),
        (Wanted(source="ingest"), []),
        (Wanted(source="p.ingest", key=b"acct"), ["3:0", "3:5"]),
        (Wanted(since=NOW + 1), ["3:5"]),
        (Wanted(until=NOW), ["3:0", "3:1"]),
        (Wanted(finished=True), ["3:0", "3:1"]),
        (Wanted(finished=False), ["3:5"]),
    ],
)
def test_filters_say_which_are_meant(wanted: Wanted, places: list[str]) -> None:
    """Each narrows it down."""
    assert [letter.place for letter in FOUND if wanted.holds(letter)] == places


def test_a_line_holds_all_that_decides() -> None:
    """Place, time, reason, origin, key, size, what was done, detail."""
    when = "2027-01-15T08:00:00.000Z"
    size = len(EVENT)
    assert [line(letter) for letter in FOUND[:2]] == [
        f"3:0  {when}  unknown-type  p.ingest 3:10  key acct  {size} B  replayed to ingest 3:90  detail 10",
        f"3:1  {when}  undecodable  p.ingest 3:11  no key  2 B  replayed to ingest 3:91  detail 11",
    ]
    states = [None, Done(origin(10).identity, "discarded")]
    told = [line(FOUND[0]._replace(done=state)).split("  ")[6] for state in states]
    assert told == ["open", "discarded"]


def test_an_object_holds_the_same() -> None:
    """For programs."""
    assert as_object(FOUND[1]) == {
        "partition": 3, "offset": 1, "time": "2027-01-15T08:00:00.000Z", "reason": "undecodable", "detail": "detail 11",
        "origin": {"topic": "p.ingest", "partition": 3, "offset": 11}, "key": None, "size": 2, "left_out": 0,
        "state": "replayed", "placed": "3:91",
    }  # fmt: skip
    assert [as_object(FOUND[2])[name] for name in ("key", "state", "placed")] == ["acct", "open", None]


def test_a_letter_that_is_not_whole_says_so() -> None:
    """How many bytes it lacks, and where they lie; the others lack nothing."""
    less = record(4, origin(12)._replace(left_out=3_000_000), None)
    (found,) = letters(3, [less], {})
    assert found.lacks() == "3:4 lacks 3000000 bytes, too many for a dead letter: they lie in p.ingest 3:12 alone"
    assert "  3000000 B left out  open  " in line(found)
    shown = whole(found, payload=True)
    assert [shown[name] for name in ("size", "left_out", "event", "value")] == [3_000_000, 3_000_000, None, None]
    assert [letter.lacks() for letter in FOUND] == ["", "", ""]


def test_the_whole_letter_shows_the_event_without_its_payload() -> None:
    """And the producer's own headers."""
    shown = whole(FOUND[0], payload=False)
    assert shown["headers"] == {"content-type": "application/cloudevents+json", "app": "\\xffx"}
    assert shown["event"] == {
        "account": "acct", "source": "/s", "id": "e", "type": "member.haircut", "time": "2027-01-15T08:00:00.000Z",
        "content_type": "application/json",
    }  # fmt: skip
    assert "secret" not in str(shown)


@pytest.mark.parametrize(
    ("value", "shown"), [(EVENT, {"text": EVENT.decode()}), (b"\xff\xfe\x00", {"hex": "fffe00"}), (None, None)]
)
def test_bytes_are_shown_when_asked_for(value: bytes | None, shown: dict[str, str] | None) -> None:
    """As text where they are text; what cannot be decoded has no event."""
    made = FOUND[0].record
    assert isinstance(made, FakeRecord)
    letter = Letter(3, replace(made, value=value), origin(10), None)
    assert whole(letter, payload=True)["value"] == shown
    assert (whole(letter, payload=True)["event"] is None) == (value != EVENT)
