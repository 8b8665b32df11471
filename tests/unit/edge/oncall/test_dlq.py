"""Which records of `dead-letters` are read where only the newest are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from edge.oncall import dlq
from edge.oncall.dlq import DeadLetters
from edge.oncall.letters import LeftOut, Letter, Wanted
from streams.deadletters import Done, done
from streams.settings import Settings
from tests.unit.edge.oncall.test_letters import origin, record
from tests.unit.fakes import FakeRecord, shipped_topology

PARTITIONS = 8


def marked(offset: int, letter: int) -> FakeRecord:
    """The record that says that something was done to a letter."""
    return FakeRecord(offset, b"acct", None, done(Done(origin(letter).identity, "discarded")))


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> DeadLetters:
    """Of a flood in partition 0, whose last letter but one was done with, and of one letter in partition 5."""
    topic = {0: [*(record(n, origin(n)) for n in range(100)), marked(100, 98)], 5: [record(7, origin(7))]}

    def read(
        servers: str, name: str, partition: int, start: int, end: object, security: object
    ) -> Iterator[FakeRecord]:
        return (each for each in topic.get(partition, []) if each.offset >= start)

    def ends(servers: str, name: str, partitions: Iterable[int], security: object) -> dict[int, tuple[int, int]]:
        known = {number: (records[0].offset, records[-1].offset + 1) for number, records in topic.items()}
        return {number: known.get(number, (0, 0)) for number in partitions}

    monkeypatch.setattr(dlq, "read_partition", read)
    monkeypatch.setattr(dlq, "watermarks", ends)
    return DeadLetters(Settings(), shipped_topology())


def test_the_newest_letters_of_each_partition_are_read(reader: DeadLetters) -> None:
    """Of a flood its end, with what was done to it, and what others have beside it; and that there are more."""
    found, whole = reader.newest(Wanted(), 10 * PARTITIONS)
    letters = list(found)
    assert [letter.place for letter in letters] == [*(f"0:{n}" for n in range(91, 100)), "5:7"]
    assert [letter.place for letter in letters if letter.done] == ["0:98"]
    assert not whole


def test_where_there_are_few_letters_all_are_read(reader: DeadLetters) -> None:
    """As `find` reads them."""
    found, whole = reader.newest(Wanted(), 1000 * PARTITIONS)
    assert list(found) == list(reader.find(Wanted()))
    assert whole


def test_what_lies_before_the_time_is_not_missing(reader: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a time on that the last records cover, these are all."""
    monkeypatch.setattr(dlq, "offsets_for_time", lambda servers, topic, numbers, at, more: dict.fromkeys(numbers, 95))
    found, whole = reader.newest(Wanted(since=0), 10 * PARTITIONS)
    assert [letter.place for letter in found] == [f"0:{n}" for n in range(95, 100)]
    assert whole


def test_a_letter_that_is_not_whole_is_not_replayed(reader: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is any of those that are replayed with it: what would go into ingest is no event."""
    monkeypatch.setattr(reader, "_put_again", lambda *each: pytest.fail("it was put into ingest"))
    whole, less = origin(1), origin(2)._replace(left_out=5_000_000)
    chosen = [Letter(3, record(number, of), of, None) for number, of in enumerate((whole, less))]
    with pytest.raises(LeftOut, match=r"3:1 lacks 5000000 bytes, .* p\.ingest 3:2 alone"):
        list(reader.act(chosen, "replayed"))
