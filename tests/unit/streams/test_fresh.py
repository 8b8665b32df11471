"""Which records of a batch a stage takes, and when copies are too many to be a replay."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.envelope import Envelope, ForeignTopic, UnknownVersion, decode_envelope, encode
from streams.fresh import Fresh, LongReplay, Replays
from tests.unit.fakes import FakeBatch, FakeOutput, FakeRecord, at, make_stage
from tests.unit.sinks.make import envelope

LIMIT = 5
verify = make_stage("notify", FakeOutput(), lane=1).verify


def batch(offsets: Iterable[int], taken: int = -1, partition: int = 0) -> FakeBatch:
    """The records of these events; everything up to `taken` was taken before."""
    records = [FakeRecord(n, b"acct", encode(envelope(offset))) for n, offset in enumerate(offsets)]
    return FakeBatch("events.high", records, partition, taken if taken < 0 else at(taken))


def made(limit: int = LIMIT) -> Fresh[Envelope]:
    """With a short limit."""
    return Fresh(decode_envelope, verify, Replays("events.high", limit))


def take(fresh: Fresh[Envelope], given_: FakeBatch) -> tuple[list[Envelope], int]:
    """As a stage takes a batch."""
    return fresh.take(given_.partition, given_.watermark(), [record.value for record in given_.records])


def seqs(fresh: Fresh[Envelope], given_: FakeBatch) -> tuple[list[int], int]:
    """Positions of what is taken, and the number of copies."""
    taken, copies = take(fresh, given_)
    return [e.seq for e in taken], copies


@given(st.lists(st.integers(0, 20), max_size=40), st.integers(-1, 20))
def test_what_is_taken_rises_above_the_watermark(offsets: list[int], taken: int) -> None:
    """Exactly the records higher than all before them; the others are copies."""
    wanted, highest = [], taken
    for offset in offsets:
        if offset > highest:
            highest = offset
            wanted.append(at(offset))
    assert seqs(made(100), batch(offsets, taken)) == (wanted, len(offsets) - len(wanted))


def test_a_run_up_to_the_limit_is_a_replay() -> None:
    """It may go over several batches, and ends with the first fresh record."""
    fresh = made()
    assert seqs(fresh, batch([1, 2, 3], taken=9)) == ([], 3)
    assert seqs(fresh, batch([4, 5, 10], taken=9)) == ([at(10)], 2)
    assert seqs(fresh, batch(range(5), taken=10)) == ([], 5)


def test_a_longer_run_stops_the_partition_and_says_what_to_do() -> None:
    """Over batches too; nothing of the batch is handed on."""
    fresh = made()
    take(fresh, batch([1, 2, 3], taken=9))
    with pytest.raises(LongReplay, match=r"events\.high\[0\]: 6 copies in a row.*LOCKSTEP_LIMITS__COPIES"):
        take(fresh, batch([4, 5, 6, 10], taken=9))


def test_many_short_replays_are_no_reset() -> None:
    """A stage that dies again and again replays the same few records each time: a step back begins a new run."""
    fresh = made()
    for _ in range(10):
        assert seqs(fresh, batch([6, 7, 8, 9], taken=9)) == ([], 4)


def test_partitions_are_counted_apart() -> None:
    """Each is fed by one partition of the stage before."""
    fresh = made()
    for partition in range(4):
        assert seqs(fresh, batch([1, 2, 3], 9, partition)) == ([], 3)


def test_records_of_another_world_are_copies_of_nothing() -> None:
    """Origin and format are checked first, of copies too."""
    for changes, error in (({"topic_id": b"else"}, ForeignTopic), ({"version": 9}, UnknownVersion)):
        record = FakeRecord(0, b"acct", encode(envelope(1, **changes)))
        with pytest.raises(error):
            take(made(), FakeBatch("events.high", [record], 0, at(9)))
