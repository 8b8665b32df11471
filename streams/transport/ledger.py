"""The books of a consumer: which batches are out, which are finished, and what may be committed. No I/O."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence

from streams.logtime import UNKNOWN
from streams.marker import without_markers
from streams.record import Record
from streams.stage import Life
from streams.transport.batch import Batch, Partition
from streams.transport.mark import NOTHING_TAKEN, Mark


class OffsetsWentBack(Exception):
    """A partition gave offsets below those already read: its topic was truncated or made anew under a live group."""


class Ledger:
    """Exact low watermark of every input partition.

    A handler that holds records back says how far it is: its batch is finished, and the mark stands before them.

    Written on the main loop alone. `has_room` is also called from the consumer's thread, and takes single steps only.
    """

    #: Unfinished batches that a partition may have: one in work, one ready.
    max_batches = 2

    def __init__(self, on_finish: Callable[[bool], None] = lambda room: None) -> None:
        """`on_finish` is called when a batch is finished, with whether its partition, then full, now has room."""
        self.taken: dict[Partition, int] = {}
        self.committed: dict[Partition, Mark] = {}
        self.position: dict[Partition, int] = {}  # next offset to hand out
        self.clocks: dict[Partition, int] = {}  # log time at `position`, ms
        self.gaps = 0  # times that offsets were jumped over
        self.stopped: dict[Partition, str] = {}  # why, for partitions that a handler will not go on with
        self._working: set[Batch] = set()  # begun, not finished
        self._open = True
        self._lives: defaultdict[Partition, Life] = defaultdict(Life)
        self._on_finish = on_finish
        self._out: defaultdict[Partition, deque[Batch]] = defaultdict(deque)  # handed out, oldest first
        self._finished: dict[Partition, Mark] = {}  # not yet committed

    def has_room(self, source: Partition) -> bool:
        """Whether another batch of this partition may be handed out."""
        return source not in self.stopped and len(self._out.get(source, ())) < self.max_batches

    def in_flight(self, source: Partition) -> int:
        """Batches of this partition that are handed out and not finished."""
        return len(self._out.get(source, ()))

    def hand_out(
        self, topic: str, partition: int, records: Sequence[Record], *, marked: bool = False
    ) -> tuple[Batch, int]:
        """A batch of these records, entered as being out, and how many offsets are missing before it.

        `marked`: there may be session markers among them, which are passed over.

        Missing offsets are counted as a gap: retention and transactions make some, everything else would be a loss.
        Raises OffsetsWentBack.
        """
        source = topic, partition
        first = records[0].offset
        missing = first - self.position.get(source, first)
        if missing < 0:
            raise OffsetsWentBack(f"{topic}[{partition}]: got offset {first} after {first - missing - 1}")
        self.gaps += missing > 0
        kept = without_markers(records) if marked else records
        span = first, records[-1].offset + 1
        batch = Batch(topic, partition, kept, self, self.clocks.get(source, UNKNOWN), self._lives[source], span)
        self._out[source].append(batch)
        self.position[source] = batch.end
        self.clocks[source] = batch.clock_after
        return batch, missing

    def watermark(self, source: Partition) -> int:
        """Highest seq taken from this partition by finished batches, below what they hold back."""
        return self.taken.get(source, NOTHING_TAKEN)

    def begin(self, batch: Batch) -> bool:
        """Enter a batch as being in work; False for one that will be read again: after a close, from before a seek."""
        if not self._open or batch.source in self.stopped or batch not in self._out.get(batch.source, ()):
            return False
        self._working.add(batch)
        return True

    def finish(self, batch: Batch) -> None:
        """Enter a batch as finished. One from before a seek counts for nothing: it will be read again."""
        batch.finished = True
        self._working.discard(batch)
        out = self._out.get(batch.source, deque())
        was_full = len(out) >= self.max_batches
        if batch in out:
            while out and out[0].finished:
                self._advance(batch.source, out.popleft())
        self._on_finish(was_full and len(out) < self.max_batches)

    def _advance(self, source: Partition, batch: Batch) -> None:
        """A mark that stands where the commit does is nothing to commit again.

        Markers alone move nothing while the handler holds back records before them.
        """
        stands = self._finished.get(source) or self.committed.get(source)
        if not batch.records and stands is not None and stands.offset < batch.start:
            return
        self.taken[source] = batch.mark.taken
        if batch.mark != self.committed.get(source):
            self._finished[source] = batch.mark

    def stop(self, batch: Batch, reason: str) -> None:
        """Leave a batch unfinished and its partition unread, for as long as the partition stays with this process."""
        self._working.discard(batch)
        if batch in self._out.get(batch.source, ()):
            self.stopped[batch.source] = reason
        self._on_finish(False)

    def keep_stopped(self, assigned: Iterable[Partition]) -> None:
        """A partition that went to another process is not stopped any more when it comes back."""
        kept = set(assigned)
        self.stopped = {source: reason for source, reason in self.stopped.items() if source in kept}

    def close(self) -> None:
        """No batch begins until `open`; those in work go on."""
        self._open = False

    def open(self) -> None:
        """Batches may begin."""
        self._open = True

    def idle(self) -> bool:
        """Whether no batch is in work."""
        return not self._working

    def committable(self) -> dict[Partition, Mark]:
        """What is finished and not committed: for each partition up to its first unfinished batch."""
        return dict(self._finished)

    def settle(self, marks: dict[Partition, Mark]) -> None:
        """These marks are committed."""
        for source, mark in marks.items():
            self.committed[source] = mark
            if self._finished.get(source) == mark:
                del self._finished[source]

    def forget(self, sources: Iterable[Partition]) -> None:
        """Drop all that is known of partitions that are gone or about to be read anew."""
        for source in sources:
            for book in (self._out, self._finished, self.position, self.taken, self.committed, self.clocks):
                book.pop(source, None)
            self._lives[source].over = True
            del self._lives[source]

    def start(self, source: Partition, mark: Mark | None) -> None:
        """Begin anew at what is committed, or, where nothing is, wherever the partition begins."""
        self.forget([source])
        if mark is not None:
            self.position[source] = mark.offset
            self.taken[source] = mark.taken
            self.committed[source] = mark
            self.clocks[source] = mark.clock
