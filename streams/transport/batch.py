"""A batch: the records of one partition from one poll, the unit that agents handle and commits count."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Final, Protocol

from streams.logtime import Progress, latest
from streams.record import Record
from streams.stage import Life
from streams.transport.mark import NOTHING_TAKEN, Mark

_TIMESTAMP: Final = attrgetter("timestamp")
#: A topic and a partition; Faust's TP and aiokafka's TopicPartition are equal to it and hash the same.
Partition = tuple[str, int]


class Books(Protocol):
    """What a batch asks of the ledger that handed it out."""

    def watermark(self, source: Partition) -> int:
        """Highest seq taken by finished batches of this partition."""

    def begin(self, batch: Batch) -> bool:
        """Whether the batch may still be handled."""

    def finish(self, batch: Batch) -> None:
        """The batch is handled."""

    def stop(self, batch: Batch, reason: str) -> None:
        """The batch and those behind it are not handled in this process."""


class Batch:
    """The records of one partition from one poll, in order of offset; none where the poll gave markers only.

    `start` is the offset of the first that was read, `end` that after the last; `clock` is the partition's log time
    (ms) before the first and `clock_after` that with the last; `life` is the same for all batches between two seeks.
    `mark` is set by `done`.
    """

    __slots__ = (
        "_books", "clock", "clock_after", "end", "finished", "life", "mark", "partition", "records", "start",
        "topic",
    )  # fmt: skip

    def __init__(
        self,
        topic: str,
        partition: int,
        records: Sequence[Record],
        books: Books,
        clock: int,
        life: Life,
        span: tuple[int, int],
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.records = records
        self.start, self.end = span
        self.clock = clock
        self.clock_after = latest(clock, map(_TIMESTAMP, records))
        self.life = life
        self.mark = Mark(self.end, NOTHING_TAKEN, self.clock_after)
        self.finished = False
        self._books = books

    @property
    def source(self) -> Partition:
        """Topic and partition."""
        return self.topic, self.partition

    def watermark(self) -> int:
        """Highest seq taken from this partition before this batch; -1 where nothing was."""
        return self._books.watermark(self.source)

    def begin(self) -> bool:
        """False where its partition has been revoked or sought since: leave it. For the agent wrapper alone."""
        return self._books.begin(self)

    def done(self, result: int | Progress) -> None:
        """The handler returned: the highest seq taken so far, or how far it is. For the agent wrapper alone."""
        if isinstance(result, Progress):
            whole = result.offset > self.records[-1].offset
            self.mark = Mark(self.end if whole else result.offset, result.taken, result.clock)
        else:
            self.mark = Mark(self.end, result, self.clock_after)
        self._books.finish(self)

    def stop(self, reason: str) -> None:
        """The handler will not go on with this partition. For the agent wrapper alone."""
        self._books.stop(self, reason)
