"""The state of a stage for one partition: an index for each time bucket, the rows, and when both may go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.index import Cells, Index, Keys, Slots, rounds_of
from streams.rows import Entries, Layout, RowKey, decode_key, decode_row, encode_row

#: Time buckets in a window. An entry is known for at least the window and at most one bucket longer.
BUCKETS: Final = 4
#: A new bucket has room for this part of what the newest one holds; steady load then makes it grow but once or twice.
PRESIZED: Final = 0.75
#: At most this many entries go into one row: 28 bytes each, under a message of 1 MiB.
ROW_ENTRIES: Final = 16_384
#: Below this many entries a loop over them is faster than numpy's calls.
_FEW: Final = 24
_NEVER: Final = -(2**62)
#: Where an entry holds its broker time, ms.
_NOW: Final = itemgetter(3)
_FINGERPRINT: Final = np.dtype([("key", "<u8"), ("low", "<u4")])

E = TypeVar("E", bound=tuple[Any, ...])
V = TypeVar("V", bound=tuple[Any, ...])


class Row(NamedTuple):
    """A record of the changelog."""

    key: bytes
    value: bytes


class Judged(NamedTuple, Generic[V]):
    """Verdicts on a run of entries, which of these pass, and those packed."""

    verdicts: list[V]
    passed: list[int]
    packed: bytes


class State(ABC, Generic[E, V]):
    """What one partition of a table knows.

    Entries age by the broker time that comes with the entry in hand, so that a replay is judged as the first time was.
    Nothing is dropped before the commit has passed its last use: `release` says how far the commit is. Only where more
    than `most` entries would be held, the oldest bucket goes early, which is counted: what it knew is new again.
    """

    layout: Layout

    def __init__(self, partition: int, window_ms: int, most: int | None = None) -> None:
        self.partition = partition
        self.early_drops = 0
        self._most = most
        self._length = -(-window_ms // BUCKETS)
        self._buckets: dict[int, Index] = {}
        self._dead_below = _NEVER  # buckets under this one are of no use to any record that may still come
        self._marks: deque[tuple[int, int]] = deque()  # (offset, bucket): from this offset on, no earlier bucket is met
        self._rows: dict[tuple[int, int], array[int]] = {}  # (bucket, start in the key): first, last, first, last ...
        self._dead_rows: dict[RowKey, None] = {}
        self._pending: dict[int, list[Entries]] = {}

    def __len__(self) -> int:
        return sum(len(index) for index in list(self._buckets.values()))

    @property
    def nbytes(self) -> int:
        """Bytes held: indexes, and the keys of rows."""
        indexes = sum(index.nbytes for index in self._buckets.values())
        return indexes + sum(rows.itemsize * len(rows) for rows in self._rows.values())

    # -- judging

    @abstractmethod
    def offset_of(self, entry: E) -> int:
        """The number that names the record of an entry, and rises with it."""

    def number_of(self, position: int) -> int:
        """A position in those numbers."""
        return position

    @abstractmethod
    def passed(self, verdicts: list[V]) -> list[int]:
        """Which records go on, and so belong into the row of their batch."""

    @abstractmethod
    def judge_one(self, entry: E, bucket: int, near: list[Index]) -> V:
        """Judge an entry and remember it in its bucket. `near`: the indexes within the window on both sides."""

    @abstractmethod
    def pack_one(self, entry: E) -> bytes:
        """An entry as it goes into a row."""

    @abstractmethod
    def cells_of(self, columns: list[tuple[Any, ...]], low: NDArray[np.uint32]) -> Cells:
        """Cells of many entries, given by column."""

    @abstractmethod
    def judge_many(self, keys: Keys, cells: Cells, bucket: int, near: list[Index]) -> list[V]:
        """`judge_one` of many entries with different fingerprints."""

    def judge(self, entries: Sequence[E]) -> tuple[list[V], list[Row]]:
        """A verdict for each entry, in order; and the rows to write, which hold all that pass, replays included.

        Each entry is judged as if the ones before it had been judged alone.
        """
        verdicts: list[V] = []
        rows = []
        for bucket, run in self._runs(entries):
            self._mark(self.offset_of(run[0]), bucket)
            judged = (self._judge_few if self.singly(run) else self._judge_run)(run, bucket)
            verdicts += judged.verdicts
            if judged.passed:
                first, last = run[judged.passed[0]], run[judged.passed[-1]]
                rows.append(self._row(bucket, first, last, judged.packed))
            self._bound()
        return verdicts, rows

    def singly(self, run: Sequence[E]) -> bool:
        """Whether the entries of a run are judged one by one."""
        return len(run) < _FEW

    def _runs(self, entries: Sequence[E]) -> Iterator[tuple[int, Sequence[E]]]:
        """Neighbours of one time bucket, in handy numbers."""
        length = self._length
        times = [now // length for now in map(_NOW, entries)]
        start = 0
        for bucket, group in groupby(times):
            end = start + len(list(group))
            for at in range(start, end, ROW_ENTRIES):
                yield max(bucket, self._dead_below), entries[at : min(end, at + ROW_ENTRIES)]
            start = end

    def _judge_few(self, run: Sequence[E], bucket: int) -> Judged[V]:
        near = self._near(bucket)
        verdicts = [self.judge_one(entry, bucket, near) for entry in run]
        passed = self.passed(verdicts)
        return Judged(verdicts, passed, b"".join([self.pack_one(run[i]) for i in passed]))

    def _judge_run(self, run: Sequence[E], bucket: int) -> Judged[V]:
        columns = list(zip(*run, strict=True))
        names = np.frombuffer(b"".join(columns[0]), _FINGERPRINT)
        keys = np.maximum(names["key"], 1)
        cells = self.cells_of(columns, names["low"])
        judged = self._judge_rounds(run, columns[0], keys, cells, bucket)
        passed = self.passed(judged)
        entries = np.empty(len(run), self.layout.entry)
        entries["key"], entries["cell"] = keys, cells
        return Judged(judged, passed, (entries if len(passed) == len(run) else entries[passed]).tobytes())

    def _judge_rounds(self, run: Sequence[E], names: Sequence[bytes], keys: Keys, cells: Cells, bucket: int) -> list[V]:
        """The first entries of all fingerprints at once, then the second ones, which must see the first, and so on."""
        near = self._near(bucket)
        if len(set(names)) == len(names):
            return self.judge_many(keys, cells, bucket, near)
        verdicts: dict[int, V] = {}
        for places in rounds_of(names):
            if len(places) < _FEW:
                verdicts.update({i: self.judge_one(run[i], bucket, near) for i in places})
            else:
                verdicts.update(zip(places, self.judge_many(keys[places], cells[places], bucket, near), strict=True))
        return [verdicts[i] for i in range(len(run))]

    def _row(self, bucket: int, first: E, last: E, packed: bytes) -> Row:
        start = bucket * self._length
        key = RowKey(self.partition, start, self.offset_of(first), self.offset_of(last))
        self._register(bucket, key)
        return Row(key.encode(), encode_row(self.layout, max(start, _NOW(last)), packed))

    def _near(self, bucket: int) -> list[Index]:
        self.index(bucket)
        return [index for at, index in self._buckets.items() if -BUCKETS <= at - bucket <= BUCKETS]

    def index(self, bucket: int) -> Index:
        """The index of a bucket, made if need be."""
        index = self._buckets.get(bucket)
        if index is None:
            expected = len(self._buckets[max(self._buckets)]) * PRESIZED if self._buckets else 0
            index = self._buckets[bucket] = Index(self.layout.cell, self.layout.cell_packer, int(expected))
        return index

    # -- forgetting

    def _mark(self, offset: int, bucket: int) -> None:
        if not self._marks or bucket > self._marks[-1][1]:
            self._marks.append((offset, bucket))

    def release(self, committed: int) -> None:
        """Every record up to this position is committed: drop what none of the later ones can need."""
        reached, number = None, self.number_of(committed)
        while self._marks and self._marks[0][0] <= number:
            reached = self._marks.popleft()
        if reached is not None:
            self._drop(reached[1] - BUCKETS)
            if not self._marks:
                self._marks.append(reached)

    def dead_rows(self, limit: int) -> list[bytes]:
        """Keys of rows that nothing needs any more, at most `limit` of them, each told once: they are to be deleted."""
        dead = [key for key, _ in zip(self._dead_rows, range(limit), strict=False)]
        for key in dead:
            del self._dead_rows[key]
        return [key.encode() for key in dead]

    def _drop(self, below: int) -> None:
        self._dead_below = max(self._dead_below, below)
        for bucket in [b for b in self._buckets if b < below]:
            del self._buckets[bucket]
        for bucket in [b for b in self._pending if b < below]:
            del self._pending[bucket]
        for at in [at for at in self._rows if at[0] < below]:
            rows = self._rows.pop(at)
            for first, last in zip(rows[::2], rows[1::2], strict=True):
                self._dead_rows[RowKey(self.partition, at[1], first, last)] = None

    def _bound(self) -> None:
        while self._most is not None and len(self) > self._most:
            self._drop(min(self._buckets) + 1)
            self.early_drops += 1

    def _register(self, bucket: int, key: RowKey) -> None:
        self._rows.setdefault((bucket, key.start), array("q")).extend((key.first, key.last))

    # -- recovery

    def read(self, key: bytes | None, value: bytes | None) -> None:
        """Take a row from the changelog; it counts from the next `settle` on. Reading it again changes nothing.

        A row without a value was deleted, so its bucket, and each before it, was of no use then. Raises BadRow.
        """
        name = decode_key(key)
        if value is None:
            self._drop(name.start // self._length + 1)
            self._dead_rows.pop(name, None)
            return
        until, entries = decode_row(self.layout, value)
        bucket = until // self._length
        if bucket < self._dead_below:
            self._dead_rows[name] = None
            return
        self._register(bucket, name)
        self._pending.setdefault(bucket, []).append(entries)

    def settle(self) -> None:
        """Put what was read into the indexes."""
        for bucket in sorted(self._pending):
            entries = np.concatenate(self._pending[bucket])
            self.absorb(bucket, *self._best(entries["key"], entries["cell"]))
        self._pending.clear()
        self._bound()

    def absorb(self, bucket: int, keys: Keys, cells: Cells, slots: Slots | None = None) -> None:
        """Put entries with different fingerprints into a bucket, where the better of two stays; `slots` if known."""
        index = self.index(bucket)
        slots = index.find(keys, cells["low"]) if slots is None else slots
        known = slots >= 0
        if known.any():
            found, mine = slots[known], cells[known]
            better = self.better(mine, index.cells[found])
            index.cells[found[better]] = mine[better]
        if not known.all():
            index.insert(keys[~known], cells[~known])

    @abstractmethod
    def better(self, cells: Cells, others: Cells) -> NDArray[np.bool_]:
        """Which of two entries of a fingerprint stays: true where the first is better."""

    @abstractmethod
    def preference(self, cells: Cells) -> tuple[NDArray[Any], ...]:
        """Sort keys, the least significant first, that put the best entry of a fingerprint before the others."""

    def _best(self, keys: Keys, cells: Cells) -> tuple[Keys, Cells]:
        """The best entry of each fingerprint."""
        in_order = np.sort(keys)
        if not (in_order[1:] == in_order[:-1]).any():
            return keys, cells
        order = np.lexsort((*self.preference(cells), cells["low"], keys))
        keys, cells = keys[order], cells[order]
        first = np.ones(len(keys), np.bool_)
        first[1:] = (keys[1:] != keys[:-1]) | (cells["low"][1:] != cells["low"][:-1])
        return keys[first], cells[first]
