"""Index: a map from 12-byte fingerprints to fixed-width cells in numpy arrays, for batches and for single keys."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.native.sources import native

#: Keys and their cells: the first 8 bytes of a fingerprint, and a struct that begins with the other 4 (`low`).
Keys = NDArray[np.uint64]
Cells = NDArray[np.void]
Slots = NDArray[np.int64]

MISSING: Final = -1
MAX_LOAD: Final = 0.8
GROWTH: Final = 1.2
#: Keys of one line fill a cache line; a line is filled from the left, and 0 in its last place says that no key went on.
_WIDTH: Final = 8
_LINE: Final = 64  # bytes
_EMPTY: Final = 0
_HALF: Final = np.uint64(32)
#: Up to this many keys a loop over them is faster than numpy's calls: looking for them, and putting them.
_FEW: Final = 8
_FEW_PLACED: Final = 32
#: What does the same with many keys in a tenth of the time; None where it is not compiled.
_native: Any | None = native()


class Index:
    """Open addressing over lines of eight keys, without deletion: time buckets are dropped whole.

    Fingerprints are uniform, so their high bits are the hash. Reading them as a fraction of the table keeps keys in the
    order of their hash: a table of any size will do, and growing reads the old one nearly in the order of the new.
    """

    def __init__(self, cell: np.dtype[np.void], packer: Struct, expected: int = 0) -> None:
        """`packer` packs the same bytes as `cell`; `expected` keys fit without growing."""
        self.cell = cell
        self._opaque = np.dtype((np.void, cell.itemsize))  # numpy copies structs by field, ten times slower
        self._packer = packer
        self.count = 0
        self._allocate(max(1, _lines_for(expected)))

    def _allocate(self, lines: int) -> None:
        self._lines = lines
        self._keys = _aligned(lines * _WIDTH).reshape(lines, _WIDTH)
        self._fill = np.zeros(lines, np.uint8)
        self.cells = np.zeros(lines * _WIDTH, self.cell)
        self._raw = self.cells.view(self._opaque)
        self._key_at = self._keys.reshape(-1).data
        self._fill_at = self._fill.data
        self._bytes = self.cells.view(np.uint8)
        self._cell_bytes = self._bytes.data

    def __len__(self) -> int:
        return self.count

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self._keys.nbytes + self._fill.nbytes + self.cells.nbytes

    # -- one key

    def find_one(self, key: int, low: int) -> int:
        """The slot of a key, or MISSING."""
        line = (key >> 32) * self._lines >> 32
        while True:
            start = line * _WIDTH
            filled = self._fill_at[line]
            for slot in range(start, start + filled):
                if self._key_at[slot] == key and self.cell_at(slot)[0] == low:
                    return slot
            if filled < _WIDTH:
                return MISSING
            line = line + 1 if line + 1 < self._lines else 0

    def cell_at(self, slot: int) -> tuple[Any, ...]:
        """The fields of a cell."""
        return self._packer.unpack_from(self._cell_bytes, slot * self._packer.size)

    def set_cell(self, slot: int, *fields: int) -> None:
        """Overwrite a cell."""
        self._packer.pack_into(self._cell_bytes, slot * self._packer.size, *fields)

    def insert_one(self, key: int, *fields: int) -> None:
        """Add a key that is not there; `fields` of its cell, the other 4 bytes of the fingerprint first."""
        self._make_room(1)
        self.set_cell(self._take_slot(key), *fields)
        self.count += 1

    def _take_slot(self, key: int) -> int:
        """Put a key into the first free place of its line, or of the next that is not full: its slot."""
        line = (key >> 32) * self._lines >> 32
        while self._fill_at[line] == _WIDTH:
            line = line + 1 if line + 1 < self._lines else 0
        slot = line * _WIDTH + self._fill_at[line]
        self._key_at[slot] = key
        self._fill_at[line] += 1
        return slot

    # -- many keys

    def find(self, keys: Keys, low: NDArray[np.uint32]) -> Slots:
        """The slot of each key, MISSING where it is not there."""
        slots = np.full(len(keys), MISSING, np.int64)
        if _native is not None:
            whole = np.ascontiguousarray(keys, np.uint64), np.ascontiguousarray(low)
            _native.find(self._keys, self._bytes, *whole, slots)
            return slots
        pending = np.arange(len(keys))
        lines = self._home(keys)
        while len(pending) > _FEW:
            wanted = keys[pending]
            rows = self._keys[lines]
            same = rows == wanted[:, None]
            hit = same.view(np.uint64)[:, 0] != 0
            if hit.any():
                self._resolve(slots, keys, low, pending[hit], lines[hit] * _WIDTH + same[hit].argmax(axis=1))
            on = (rows[:, -1] != _EMPTY) & ~hit
            pending, lines = pending[on], lines[on] + 1
            lines[lines == self._lines] = 0
        for i in pending.tolist():
            slots[i] = self.find_one(int(keys[i]), int(low[i]))
        return slots

    def _resolve(
        self, slots: Slots, keys: Keys, low: NDArray[np.uint32], which: NDArray[np.int64], found: Slots
    ) -> None:
        """Accept the hits of 8 bytes whose other 4 agree too; look again for the others, which chance makes rare."""
        right = self.cells["low"][found] == low[which]
        slots[which[right]] = found[right]
        for i in which[~right].tolist():
            slots[i] = self.find_one(int(keys[i]), int(low[i]))

    def insert(self, keys: Keys, cells: Cells) -> None:
        """Add keys that are not there, each once."""
        self._make_room(len(keys))
        self._place(keys, cells.view(self._opaque))
        self.count += len(keys)

    def _place(self, keys: Keys, cells: Cells) -> None:
        if _native is not None:
            whole = np.ascontiguousarray(keys, np.uint64), np.ascontiguousarray(cells).view(np.uint8)
            _native.place(self._keys, self._bytes, *whole, self._fill)
            return
        lines = self._home(keys)
        pending = np.argsort(lines, kind="stable")
        lines = lines[pending]
        while len(pending) > _FEW_PLACED:
            places = self._fill[lines] + _rank(lines)
            fits = places < _WIDTH
            slots = lines[fits] * _WIDTH + places[fits]
            self._keys.reshape(-1)[slots] = keys[pending[fits]]
            self._raw[slots] = cells[pending[fits]]
            self._fill[lines[fits]] = places[fits] + 1  # of a line that comes several times the last one counts
            pending, lines = pending[~fits], lines[~fits] + 1
            lines[lines == self._lines] = 0
            order = np.argsort(lines, kind="stable")
            pending, lines = pending[order], lines[order]
        for i in pending.tolist():
            self._raw[self._take_slot(int(keys[i]))] = cells[i]

    def _home(self, keys: Keys) -> Slots:
        return ((keys >> _HALF) * np.uint64(self._lines) >> _HALF).astype(np.int64)

    def _make_room(self, more: int) -> None:
        wanted = self.count + more
        if wanted <= self._lines * _WIDTH * MAX_LOAD:
            return
        keys, cells = self._keys.reshape(-1), self._raw
        if _native is None:  # which passes over empty places by itself
            used = keys != _EMPTY
            keys, cells = keys[used], cells[used]
        self._allocate(max(int(self._lines * GROWTH) + 1, _lines_for(wanted)))
        self._place(keys, cells)


def key_of(fingerprint: bytes) -> tuple[int, int]:
    """The two numbers of a fingerprint; the first is never 0, which marks an empty place."""
    return int.from_bytes(fingerprint[:8], "little") or 1, int.from_bytes(fingerprint[8:], "little")


def rounds_of(fingerprints: Iterable[bytes]) -> Iterable[list[int]]:
    """The places of the first entries of all fingerprints, then those of the second ones, and so on."""
    rounds: dict[int, list[int]] = {}
    met: dict[bytes, int] = {}
    for place, name in enumerate(fingerprints):
        number = met[name] = met.get(name, -1) + 1
        rounds.setdefault(number, []).append(place)
    return rounds.values()


def _lines_for(count: int) -> int:
    return int(count / (_WIDTH * MAX_LOAD)) + 1


def _aligned(count: int) -> Keys:
    """Zeros that begin where a cache line does: numpy's begin 16 bytes behind that, and each line would be in two."""
    whole = np.zeros(count + _WIDTH, np.uint64)
    start = -whole.ctypes.data % _LINE // whole.itemsize
    return whole[start : start + count]


def _rank(sorted_lines: Slots) -> Slots:
    """0, 1, 2 ... within each run of equal numbers."""
    at = np.arange(len(sorted_lines))
    first = np.empty(len(sorted_lines), np.bool_)
    first[0] = True
    np.not_equal(sorted_lines[1:], sorted_lines[:-1], out=first[1:])
    ranks: Slots = at - np.maximum.accumulate(np.where(first, at, 0))
    return ranks
