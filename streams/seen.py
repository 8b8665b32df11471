"""What `seen` knows of one partition: which record first brought an event id, within the window."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams import envelope
from streams.fingerprint import replay_fingerprint
from streams.index import Cells, Index, Keys, key_of
from streams.rows import SEEN
from streams.state import State

_HALF: Final = 32
_LOW: Final = (1 << _HALF) - 1
_NONE: Final = 1 << 62


class SeenEntry(NamedTuple):
    """A record to be judged: its offset in the source, the digest of its payload, and its broker time, ms.

    `first` is set for a dead letter that was put into the source again: the offset at which it lay first.
    """

    fingerprint: bytes
    offset: int
    digest: int
    now: int
    first: int = -1


class SeenVerdict(NamedTuple):
    """`first` is the offset of the record that this one repeats, None for a record that goes on.

    `conflict`: the payload is another one, with this `digest`. `replay`: the record itself was met before, so it must
    go on again.
    """

    first: int | None = None
    conflict: bool = False
    replay: bool = False
    digest: int = 0


_FIRST: Final = itemgetter(4)
NEW: Final = SeenVerdict()
REPLAY: Final = SeenVerdict(replay=True)


class SeenState(State[SeenEntry, SeenVerdict]):
    """A record that meets its own offset goes on; one that meets another, before or behind it, repeats that one.

    An entry behind the record in hand comes from an earlier life of the worker, which let that one go on: so it will
    again when the replay comes to it, and the id takes effect through it.

    A dead letter that comes again does not repeat its own first record, but it does repeat one that came again before
    it: for that, those which pass are remembered under a fingerprint of their own, by the same rules.
    """

    layout = SEEN

    def offset_of(self, entry: SeenEntry) -> int:
        """Its offset in the source."""
        return entry.offset

    def number_of(self, position: int) -> int:
        """Its offset: entries have no room for the epoch."""
        return -1 if position < 0 else envelope.offset_of(position)

    def passed(self, verdicts: list[SeenVerdict]) -> list[int]:
        """New ones and replays."""
        return [i for i, verdict in enumerate(verdicts) if verdict.first is None]

    def pack_one(self, entry: SeenEntry) -> bytes:
        """See `State.pack_one`."""
        packed = self._pack(entry)
        return packed if entry.first < 0 else packed + self._pack(_as_replay(entry))

    def _pack(self, entry: SeenEntry) -> bytes:
        offset = entry.offset
        return self.layout.pack(*key_of(entry.fingerprint), offset & _LOW, offset >> _HALF, entry.digest)

    def singly(self, run: Sequence[SeenEntry]) -> bool:
        """See `State.singly`."""
        return super().singly(run) or max(map(_FIRST, run)) >= 0

    def cells_of(self, columns: list[tuple[Any, ...]], low: NDArray[np.uint32]) -> Cells:
        """See `State.cells_of`."""
        offsets = np.array(columns[1], np.uint64)
        cells = np.empty(len(offsets), self.layout.cell)
        cells["low"] = low
        cells["offset_low"] = offsets & np.uint64(_LOW)
        cells["offset_high"] = offsets >> np.uint64(_HALF)
        cells["digest"] = columns[2]
        return cells

    def judge_one(self, entry: SeenEntry, bucket: int, near: list[Index]) -> SeenVerdict:
        """See `State.judge_one`."""
        key, low = key_of(entry.fingerprint)
        verdict = self._known(entry, key, low, near)
        if verdict is None and entry.first >= 0:
            again = self.judge_one(_as_replay(entry), bucket, near)
            verdict = None if again is NEW else again
        if verdict is not None:
            return verdict
        index = self.index(bucket)
        if entry.first < 0 or index.find_one(key, low) < 0:
            index.insert_one(key, low, entry.offset & _LOW, entry.offset >> _HALF, entry.digest)
        return NEW

    def _known(self, entry: SeenEntry, key: int, low: int, near: list[Index]) -> SeenVerdict | None:
        """What the entries of a fingerprint say, without that of the record's own first; None where no other is."""
        first, its_digest = None, 0
        for index in near:
            slot = index.find_one(key, low)
            if slot >= 0:
                _, offset_low, offset_high, digest = index.cell_at(slot)
                offset = offset_high << _HALF | offset_low
                if offset == entry.offset:
                    return REPLAY
                if offset == entry.first and digest == entry.digest:
                    continue
                if first is None or offset < first:
                    first, its_digest = offset, digest
        return None if first is None else SeenVerdict(first, its_digest != entry.digest, digest=its_digest)

    def judge_many(self, keys: Keys, cells: Cells, bucket: int, near: list[Index]) -> list[SeenVerdict]:
        """See `State.judge_many`."""
        offsets = _offsets(cells)
        first = np.full(len(keys), _NONE)
        digests = np.zeros(len(keys), np.uint32)
        replays = np.zeros(len(keys), np.bool_)
        for index in near:
            slots = index.find(keys, cells["low"])
            known = np.flatnonzero(slots >= 0)
            found = index.cells[slots[known]]
            replays[known] |= _offsets(found) == offsets[known]
            earlier = _offsets(found) < first[known]
            first[known[earlier]] = _offsets(found)[earlier]
            digests[known[earlier]] = found["digest"][earlier]
        new = first == _NONE
        if new.any():
            self.index(bucket).insert(keys[new], cells[new])
        verdicts = [NEW] * len(keys)
        conflicts = digests != cells["digest"]
        for i in np.flatnonzero(~new).tolist():
            repeated = SeenVerdict(int(first[i]), bool(conflicts[i]), digest=int(digests[i]))
            verdicts[i] = REPLAY if replays[i] else repeated
        return verdicts

    def better(self, cells: Cells, others: Cells) -> NDArray[np.bool_]:
        """The first of two stays: the other one is found to repeat it, in this life as in the one before."""
        return _offsets(cells) < _offsets(others)

    def preference(self, cells: Cells) -> tuple[NDArray[Any], ...]:
        """The smallest offset first."""
        return (_offsets(cells),)


def _as_replay(entry: SeenEntry) -> SeenEntry:
    return entry._replace(fingerprint=replay_fingerprint(entry.fingerprint, entry.first), first=-1)


def _offsets(cells: Cells) -> NDArray[np.int64]:
    offsets: NDArray[np.int64] = cells["offset_high"].astype(np.int64) << _HALF | cells["offset_low"]
    return offsets
