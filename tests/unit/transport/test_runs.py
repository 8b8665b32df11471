"""Records taken by runs are those that aiokafka gives one by one, with the same position after each take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c_py as crc32c
from aiokafka.structs import TopicPartition

from streams.transport.runs import Runs

TP = TopicPartition("ingest", 0)
CONTROL = 0x20  # the bit of a batch's attributes that says so, in the second of two bytes
ATTRIBUTES = 22  # where they begin


@dataclass
class Place:
    """How far a partition was consumed."""

    position: int
    paused: bool = False

    def consumed_to(self, position: int) -> None:
        """Everything below was."""
        self.position = position


@dataclass
class Assignment:
    """What aiokafka knows of the assigned partitions."""

    place: Place
    active: bool = True

    def state_value(self, _tp: TopicPartition) -> Place:
        """The only one."""
        return self.place


@dataclass
class Fetch:
    """A fetch of some bytes from a place on."""

    data: bytes
    start: int
    place: Place = field(init=False)
    result: FetchResult = field(init=False)

    def __post_init__(self) -> None:
        self.place = Place(self.start)
        records = PartitionRecords(TP, MemoryRecords(self.data), [], self.start, None, None, True, 0)
        assignment: Any = Assignment(self.place)
        self.result = FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)


def batch(first: int, number: int, *, gap: int = 0) -> bytes:
    """A batch of the log: offsets from `first` on, of which the last `gap` were compacted away."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=3, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 20,
    )  # fmt: skip
    for i in range(number):
        builder.append(i, timestamp=first + i, key=b"k%d" % i, value=b"v" * 50, headers=[("h", b"x")])
    data = bytearray(builder.build())
    data[0:8] = first.to_bytes(8)
    last = int.from_bytes(data[23:27]) + gap
    data[23:27] = last.to_bytes(4)
    return resealed(data)


def resealed(data: bytearray) -> bytes:
    """With the checksum that its contents have."""
    data[17:21] = crc32c(bytes(data[21:])).to_bytes(4)
    return bytes(data)


def control(first: int) -> bytes:
    """A batch that ends a transaction."""
    data = bytearray(batch(first, 1))
    data[ATTRIBUTES] |= CONTROL
    return resealed(data)


LOGS = {
    "one batch": (batch(10, 7), 10),
    "several": (batch(0, 3) + batch(3, 1) + batch(4, 9), 0),
    "from the middle of a batch": (batch(0, 8) + batch(8, 4), 5),
    "behind all of a batch": (batch(0, 8) + batch(8, 4), 8),
    "compacted at the end": (batch(0, 3, gap=4) + batch(8, 2), 0),
    "ends of transactions": (batch(0, 2) + control(2) + batch(3, 2) + control(5), 0),
    "nothing but the end of a transaction": (control(7), 7),
    "cut off": (batch(0, 4) + batch(4, 4)[:-9], 0),
    "empty": (b"", 0),
}


def taken(fetch: Fetch, most: int | None, getall: Callable[[int | None], list[Any]]) -> list[Any]:
    """All takes until there is no more: offsets, keys, values, headers and times, and the position after each."""
    told: list[Any] = []
    while fetch.result.has_more():
        records = getall(most)
        told.append([(r.offset, r.key, r.value, list(r.headers), r.timestamp) for r in records])
        told.append(fetch.place.position)
    return told


@pytest.mark.parametrize("most", [1, 2, 3, 5, 100, None])
@pytest.mark.parametrize("log", LOGS)
def test_runs_give_what_aiokafka_gives(log: str, most: int | None) -> None:
    """The same records, and in the end the same position; an empty last take may be missing."""
    theirs, mine = Fetch(*LOGS[log]), Fetch(*LOGS[log])
    expected = taken(theirs, most, theirs.result.getall)
    got = taken(mine, most, Runs(mine.result))
    assert list(chain(*got[::2])) == list(chain(*expected[::2]))
    assert got[1::2][-1:] == expected[1::2][-1:]
    assert all(len(records) <= (most or len(records)) for records in got[::2])


def test_the_position_is_behind_what_was_taken_last() -> None:
    """So that a commit and a later fetch go on there."""
    fetch = Fetch(batch(0, 3, gap=2) + batch(5, 3), 0)
    take = Runs(fetch.result)
    places = []
    for _ in range(3):
        take(2)
        places.append(fetch.place.position)
    assert places == [2, 6, 8]


def test_nothing_comes_of_a_partition_that_is_read_elsewhere() -> None:
    """After a seek, a pause or a revocation the rest of a fetch is dropped."""

    def seek(assignment: Any) -> None:
        assignment.place.position = 0

    def pause(assignment: Any) -> None:
        assignment.place.paused = True

    def revoke(assignment: Any) -> None:
        assignment.active = False

    for change in (seek, pause, revoke):
        fetch = Fetch(batch(3, 5), 3)
        take = Runs(fetch.result)
        assert len(take(2)) == 2
        change(fetch.result._assignment)
        assert take(2) == []
        assert not fetch.result.has_more()


def test_a_corrupt_batch_is_an_error_and_moves_nothing() -> None:
    """What came before it in the same take comes again."""
    spoilt = bytearray(batch(4, 4))
    spoilt[-1] ^= 1
    fetch = Fetch(batch(0, 4) + bytes(spoilt), 0)
    take = Runs(fetch.result)
    with pytest.raises(CorruptRecordException):
        take(100)
    assert fetch.place.position == 0
    assert take(100) == []
