"""Traces of topics in memory, in which some records cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from edge.oncall.tracing import Place, Tracer
from edge.oncall.tracing_text import lines
from streams.settings import Settings
from tests.unit.edge.oncall.traced import ACCOUNT, NOW, SEQ, TOPOLOGY, Raw, envelope, event, outcomes

BROKEN = b"\xc1"


class Log:
    """Partition 3 of each topic, as a reader gives it."""

    def __init__(self, **topics: list[Raw]) -> None:
        self._topics = {name.replace("_", "."): records for name, records in topics.items()}

    def offset_for_time(self, topic: str, partition: int, timestamp: int) -> int:
        """All are of about the same time."""
        return 0

    def watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset, and that behind the last."""
        return 0, len(self._topics.get(topic, ()))

    def one(self, topic: str, partition: int, offset: int) -> Raw | None:
        """The record at an offset."""
        return next(self.read(topic, partition, offset), None)

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Raw]:
        """Records from an offset on."""
        if topic == "ingest":
            yield event()
            return
        yield from self._topics.get(topic, [])[start:end]


def told(log: Log) -> list[str]:
    """The lines of the event's trace."""
    tracer = Tracer(Settings(), TOPOLOGY, cast(Any, log), lambda: NOW / 1000)
    return list(lines(tracer.trace(Place(3, 7))))


def test_records_that_cannot_be_read_are_named_and_passed_over() -> None:
    """One of them may be the event's: the trace says where it could not look."""
    found = told(
        Log(
            events_high=[Raw(0, NOW, b"", BROKEN), Raw(1, NOW, b"", envelope()), Raw(2, NOW, b"", b"\x90")],
            notifications_high=[Raw(0, NOW, b"", BROKEN)],
            outcomes=[Raw(0, NOW, b"", ACCOUNT.encode()), outcomes("route")],
        )
    )
    assert any("forwarded events.high 3:1" in line for line in found)
    named = [line.split(": ")[0] for line in found if "cannot be read" in line]
    assert named == [
        f"  {place} cannot be read" for place in ("events.high 3:0", "notifications.high 3:0", "outcomes 3:0")
    ]
    assert any(line.endswith("; nor can 1 more of that topic") for line in found)


def test_a_topic_of_which_nothing_can_be_read_is_named() -> None:
    """The event may be in it, or may not."""
    found = told(Log(events_high=[Raw(0, NOW, b"", BROKEN)]))
    assert found[-2].startswith("  events.high 3:0 cannot be read: ")
    assert found[-1] == "  in ingest; no stage has said anything of it"


def test_the_event_is_found_by_halving_among_records_that_cannot_be_read() -> None:
    """They have no place in the order."""
    records = [Raw(at, NOW, b"", BROKEN if at % 3 else envelope(SEQ - 2000 + at)) for at in range(6000)]
    records[2000] = Raw(2000, NOW, b"", envelope())
    assert any("forwarded events.high 3:2000" in line for line in told(Log(events_high=records)))
