"""Which events of `ingest` are judged again: the newest of every partition, as many as there is memory for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from streams.record import Record

#: Records of all partitions together, and their bytes, at most.
MOST: Final = 100_000
MOST_BYTES: Final = 64 << 20
#: Records of a partition from one offset up to, not with, another.
Read = Callable[[int, int, int], Iterable[Record]]


class Range(NamedTuple):
    """Offsets [start, end) of a partition; those before `first` are read so that duplicates of theirs are known."""

    partition: int
    start: int
    first: int
    end: int


class Sample(NamedTuple):
    """The newest records of a range; those from `first` on are judged, `left_out` before them should have been too."""

    partition: int
    first: int
    records: Sequence[Record]
    left_out: int


def samples(ranges: Sequence[Range], read: Read, most: int = MOST, room: int = MOST_BYTES) -> Iterator[Sample]:
    """Of each range its newest records. All have the same share of `most` and `room`; what one leaves others have."""
    shortest_first = sorted(ranges, key=lambda each: each.end - each.start)
    for served, each in enumerate(shortest_first):
        waiting = len(ranges) - served
        begin = max(each.start, each.end - most // waiting)
        records, start, size = _newest(read(each.partition, begin, each.end), begin, room // waiting)
        first = max(each.first, start)
        yield Sample(each.partition, first, records, first - each.first)
        most -= len(records)
        room -= size


def _newest(records: Iterable[Record], start: int, room: int) -> tuple[Sequence[Record], int, int]:
    """The last records that make no more than `room` bytes, the offset from which on none is missing, their bytes."""
    kept = deque[Record]()
    held = 0
    for record in records:
        kept.append(record)
        held += _size(record)
        while held > room:
            gone = kept.popleft()
            held -= _size(gone)
            start = gone.offset + 1
    return kept, start, held


def _size(record: Record) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
