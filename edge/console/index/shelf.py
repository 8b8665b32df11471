"""A shelf: all that the index knows of one partition of one topic, on disk but for the newest part."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from edge.console.index.segments import POSTING, REACH, Segment, Span, found, joined, ordered, write

#: A segment with more postings is not joined with others: what goes first to keep the bound goes in such pieces.
LARGEST: Final = 8 << 20
#: A segment is joined with the one before it while that is not so many times as large: there are few of them.
_RATIO: Final = 2


class Bounds(NamedTuple):
    """Offsets [low, high) that the partition held when it was last looked at."""

    low: int
    high: int


class Shelf:
    """Segments one after the other, then a buffer. Not for several threads at once: `Index` sees to that."""

    def __init__(self, directory: Path, name: str, topic_id: bytes, partition: int) -> None:
        self.name = name
        self.partition = partition
        self.topic_id = topic_id
        self.segments: list[Segment] = []
        self.next = 0  # the next offset to be taken
        self.bounds = Bounds(0, 0)
        self._directory = directory
        self._buffer = array("Q")
        self._first = 0
        self._since = self._until = 0
        self._began = 0.0

    def adopt(self, segments: Iterable[Segment]) -> None:
        """Take what an earlier life of the process has written; what lies before a hole goes, what repeats too."""
        for segment in sorted(segments, key=lambda each: (each.span.first, -each.span.end)):
            if self.segments and segment.span.end <= self.segments[-1].span.end:
                segment.path.unlink()
                continue
            if self.segments and segment.span.first != self.segments[-1].span.end:
                self.drop(len(self.segments))
            self.segments.append(segment)
            self.next = segment.span.end

    def take(self, offset: int, at: int, words: Iterable[int]) -> None:
        """The next record, appended at `at` (ms), with its hashes. Raises OSError."""
        if self._buffer and offset - self._first >= REACH:
            self.flush()
        if not self._since:
            self._first = self.next
            self._since, self._began = at, time.monotonic()
        distance = offset - self._first
        self._buffer.extend([each << 32 | distance for each in words])
        self._until = max(self._until, at)
        self.next = offset + 1

    @property
    def waiting(self) -> int:
        """Postings in the buffer."""
        return len(self._buffer)

    @property
    def age(self) -> float:
        """For how long the buffer holds something, s."""
        return time.monotonic() - self._began if self._since else 0.0

    @property
    def nbytes(self) -> int:
        """On disk."""
        return sum(segment.nbytes for segment in self.segments)

    @property
    def first(self) -> int:
        """The first offset that is covered."""
        if self.segments:
            return self.segments[0].span.first
        return self._first if self._since else self.next

    @property
    def since(self) -> int:
        """When that was appended, ms; 0: nothing is covered."""
        return self.segments[0].span.since if self.segments else self._since

    @property
    def until(self) -> int:
        """When the last record that is covered was appended, ms; 0: nothing is."""
        return self._until if self._since else self.segments[-1].span.until if self.segments else 0

    @property
    def behind(self) -> int:
        """Records that are not covered yet."""
        return max(0, self.bounds.high - self.next)

    @property
    def whole(self) -> bool:
        """Whether nothing that the partition holds lies before what is covered."""
        return self.first <= self.bounds.low or self.bounds.low >= self.bounds.high

    def find(self, word: int, most: int) -> list[int]:
        """Offsets of records with a hash that are still there, the newest first, at most so many."""
        offsets = found(ordered(self._buffer[:]), self._first, word)[::-1] if self._buffer else []
        for segment in reversed(self.segments):
            if len(offsets) >= most:
                break
            offsets += segment.find(word)[::-1]
        return [offset for offset in offsets[:most] if offset >= self.bounds.low]

    def flush(self) -> None:
        """Write the buffer, and join small segments. Raises OSError."""
        if not self._since:
            return
        span = Span(self.topic_id, self.partition, self._first, self.next, self._since, self._until)
        self.segments.append(write(self._directory, self.name, span, ordered(self._buffer)))
        self._buffer, self._since = array("Q"), 0
        while len(self.segments) > 1 and _alike(*self.segments[-2:]):
            other, one = self.segments.pop(), self.segments.pop()
            self.segments.append(joined(self._directory, self.name, one, other))

    def trim(self) -> None:
        """Drop segments whose records are all gone from the topic."""
        self.drop(sum(segment.span.end <= self.bounds.low for segment in self.segments))

    def drop(self, count: int) -> None:
        """Drop the oldest segments."""
        for segment in self.segments[:count]:
            segment.path.unlink(missing_ok=True)
        del self.segments[:count]

    def clear(self) -> None:
        """Begin anew."""
        self.drop(len(self.segments))
        self._buffer, self._since, self.next = array("Q"), 0, 0


def _alike(one: Segment, other: Segment) -> bool:
    fits = len(one) + len(other) <= LARGEST and other.span.end - one.span.first < REACH
    return fits and one.nbytes <= _RATIO * other.nbytes + (POSTING << 10)
