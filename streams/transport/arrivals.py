"""What has arrived of the input partitions and is not handed out yet. On the main loop alone; no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.transport.batch import Partition


class Fetched(NamedTuple):
    """One record as it was fetched: a `streams.record.Record`."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Chunk(NamedTuple):
    """Neighbours of one partition from one read, and what they weigh in memory, bytes."""

    records: list[Fetched]
    weight: int


class Source(Protocol):
    """What arrivals ask of the thread that reads."""

    def release(self, weight: int) -> None:
        """So many bytes wait no more."""

    def pause(self, sources: Iterable[Partition]) -> None:
        """Read these no further for now."""

    def resume(self, sources: Iterable[Partition]) -> None:
        """Read on where it was left."""


class Arrivals:
    """Chunks by partition, in the order in which they came.

    A partition whose handler is slow gathers its records here, and is given them together: the slower, the larger its
    batches. One that gives nothing out while there is no room for others is read no further until it has.
    """

    def __init__(self, source: Source, most: int) -> None:
        """`most`: records of a partition that are handed out together, no fewer than one read gives."""
        self._source = source
        self._most = most
        self._number = 0
        self._waiting: dict[Partition, deque[Chunk]] = {}
        self._idle: set[Partition] = set()  # gave nothing out since the last stall
        self._paused: dict[Partition, int] = {}  # with the bytes that count no more

    def begin(self, number: int) -> None:
        """Forget all that came before this assignment, and take nothing of an earlier one."""
        self._number = number
        for source, chunks in self._waiting.items():
            self._source.release(sum(chunk.weight for chunk in chunks) - self._paused.get(source, 0))
        self._waiting, self._idle, self._paused = {}, set(), {}

    def arrive(self, number: int, found: Mapping[Partition, Chunk]) -> None:
        """Enter what one read gave of the assignment `number`."""
        for source, chunk in found.items():
            if number != self._number:
                self._source.release(chunk.weight)
                continue
            self._waiting.setdefault(source, deque()).append(chunk)
            if source in self._paused:  # it was on its way when the partition was paused
                self._paused[source] += chunk.weight
                self._source.release(chunk.weight)

    def take(self, has_room: Callable[[Partition], bool]) -> dict[Partition, list[Fetched]]:
        """What may be handed out of each partition that has room."""
        return {source: self._next_of(source) for source in list(self._waiting) if has_room(source)}

    def _next_of(self, source: Partition) -> list[Fetched]:
        waiting = self._waiting[source]
        records, weight = waiting.popleft()
        while waiting and len(records) + len(waiting[0].records) <= self._most:
            chunk = waiting.popleft()
            records += chunk.records
            weight += chunk.weight
        self._idle.discard(source)
        self._counted_out(source, weight)
        if not waiting:
            del self._waiting[source]
            if self._paused.pop(source, None) is not None:
                self._source.resume([source])
        return records

    def _counted_out(self, source: Partition, weight: int) -> None:
        if source in self._paused:
            self._paused[source] -= weight
        else:
            self._source.release(weight)

    def stall(self) -> None:
        """There has been no room for a while: those partitions that gave nothing out since the last time are paused."""
        slow = [source for source in self._waiting if source in self._idle and source not in self._paused]
        self._idle = set(self._waiting)
        if slow:
            self._source.pause(slow)
        for source in slow:
            self._paused[source] = sum(chunk.weight for chunk in self._waiting[source])
            self._source.release(self._paused[source])
