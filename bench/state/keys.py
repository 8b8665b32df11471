"""Entries of both tables, each a pure function of its number, and what the tables must say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.latest import LatestEntry, LatestState, LatestVerdict
from streams.rows import Layout
from streams.seen import NEW, SeenEntry, SeenState, SeenVerdict
from streams.state import State

WINDOW_MS: Final = 600_000
PARTITIONS: Final = 8
#: Entries that a worker under full load judges at once: a poll of 2,000 records over all partitions.
BATCH: Final = 250
_FINGERPRINT: Final = np.dtype([("key", "<u8"), ("low", "<u4")])


def fingerprints(numbers: NDArray[np.uint64]) -> list[bytes]:
    """12 bytes for each number, as evenly spread as those of a hash."""
    made = np.empty(len(numbers), _FINGERPRINT)
    made["key"] = _mixed(numbers)
    made["low"] = _mixed(numbers ^ np.uint64(0x5851F42D4C957F2D)) >> np.uint64(32)
    packed = made.tobytes()
    return [packed[at : at + 12] for at in range(0, len(packed), 12)]


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64."""
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def partition_of(number: int) -> int:
    """Batches go round the partitions."""
    return number // BATCH % PARTITIONS


class Load(NamedTuple):
    """So many keys of a table, evenly over a window that begins at `start`, ms; more of them come at its end."""

    table: str
    keys: int
    start: int

    def states(self) -> list[State[Any, Any]]:
        """An empty state for each partition."""
        kind = SeenState if self.table == "seen" else LatestState
        return [kind(partition, WINDOW_MS) for partition in range(PARTITIONS)]

    @property
    def layout(self) -> Layout:
        """That of the table's rows."""
        return (SeenState if self.table == "seen" else LatestState).layout

    def entries(self, numbers: Sequence[int], repeated: Sequence[int] = ()) -> list[Any]:
        """Entries of these numbers, which are of one partition, and repeats of others behind them.

        A repeat of `seen` has another offset, one of `latest` an older version than the key's own.
        """
        names = fingerprints(np.array([*numbers, *repeated], np.uint64))
        now = self.start + min(numbers[-1], self.keys - 1) * (WINDOW_MS - 1) // self.keys
        if self.table == "seen":
            new = [SeenEntry(name, n, n & 0xFFFF, now) for n, name in zip(numbers, names, strict=False)]
            last = numbers[-1]
            return new + [
                SeenEntry(name, last + 1 + at, n & 0xFFFF, now)
                for at, (n, name) in enumerate(zip(repeated, names[len(numbers) :], strict=True))
            ]
        new_lines = [LatestEntry(name, n + 1, n, now) for n, name in zip(numbers, names, strict=False)]
        old = [LatestEntry(name, n, n, now) for n, name in zip(repeated, names[len(numbers) :], strict=True)]
        return new_lines + old

    def expected(self, numbers: Sequence[int], repeated: Sequence[int] = ()) -> list[Any]:
        """The verdicts on those."""
        if self.table == "seen":
            return [NEW] * len(numbers) + [SeenVerdict(n, digest=n & 0xFFFF) for n in repeated]
        return [LatestVerdict(n + 1, n, False) for n in numbers] + [LatestVerdict(n + 1, n, True) for n in repeated]
