"""A batch: the records of one partition from one poll, the unit that agents handle and commits count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streams.stage import Record
from streams.transport.mark import NOTHING_TAKEN

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
    """The records of one partition from one poll, in order of offset, at least one.

    `end` is the offset after the last record; `taken` is set by `done`.
    """

    __slots__ = ("_books", "end", "finished", "partition", "records", "taken", "topic")

    def __init__(self, topic: str, partition: int, records: Sequence[Record], books: Books) -> None:
        self.topic = topic
        self.partition = partition
        self.records = records
        self.end = records[-1].offset + 1
        self.taken = NOTHING_TAKEN
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

    def done(self, taken: int) -> None:
        """The handler returned; `taken` is the highest seq taken so far. For the agent wrapper alone."""
        self.taken = taken
        self._books.finish(self)

    def stop(self, reason: str) -> None:
        """The handler will not go on with this partition. For the agent wrapper alone."""
        self._books.stop(self, reason)
