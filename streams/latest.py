"""What `latest` knows of one partition: the newest version of each line of notifications, within the window."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.index import Cells, Index, Keys, key_of
from streams.rows import LATEST
from streams.state import State


class LatestEntry(NamedTuple):
    """A notification to be judged: its version (or the time of its event), its position, and its broker time, ms."""

    fingerprint: bytes
    version: int
    position: int
    now: int


class LatestVerdict(NamedTuple):
    """The newest version known, the position that brought it, and whether it supersedes the notification in hand."""

    newest: int
    position: int
    superseded: bool


class LatestState(State[LatestEntry, LatestVerdict]):
    """Older than the newest is superseded; of equals all stand.

    A replay may find that a notification which once stood is superseded by one behind it. Nothing is lost by that: the
    newer one comes again too. What once was superseded never stands in a replay.
    """

    layout = LATEST

    def offset_of(self, entry: LatestEntry) -> int:
        """Its position."""
        return entry.position

    def passed(self, verdicts: list[LatestVerdict]) -> list[int]:
        """What is not superseded."""
        return [i for i, verdict in enumerate(verdicts) if not verdict.superseded]

    def pack_one(self, entry: LatestEntry) -> bytes:
        """See `State.pack_one`."""
        return self.layout.pack(*key_of(entry.fingerprint), entry.version, entry.position)

    def cells_of(self, columns: list[tuple[Any, ...]], low: NDArray[np.uint32]) -> Cells:
        """See `State.cells_of`."""
        cells = np.empty(len(low), self.layout.cell)
        cells["low"], cells["version"], cells["position"] = low, columns[1], columns[2]
        return cells

    def judge_one(self, entry: LatestEntry, bucket: int, near: list[Index]) -> LatestVerdict:
        """See `State.judge_one`."""
        key, low = key_of(entry.fingerprint)
        newest = mine = (entry.version, entry.position)
        for index in near:
            slot = index.find_one(key, low)
            if slot >= 0:
                newest = max(newest, index.cell_at(slot)[1:])
        superseded = newest[0] > entry.version
        if not superseded:
            self._raise(self.index(bucket), key, low, mine)
        return LatestVerdict(*newest, superseded)

    def _raise(self, index: Index, key: int, low: int, mine: tuple[int, int]) -> None:
        slot = index.find_one(key, low)
        if slot < 0:
            index.insert_one(key, low, *mine)
        elif mine > index.cell_at(slot)[1:]:
            index.set_cell(slot, low, *mine)

    def judge_many(self, keys: Keys, cells: Cells, bucket: int, near: list[Index]) -> list[LatestVerdict]:
        """See `State.judge_many`."""
        newest = cells.copy()
        places = [index.find(keys, cells["low"]) for index in near]
        for index, slots in zip(near, places, strict=True):
            known = np.flatnonzero(slots >= 0)
            found = index.cells[slots[known]]
            newer = self.better(found, newest[known])
            newest[known[newer]] = found[newer]
        superseded = newest["version"] > cells["version"]
        stands, mine = ~superseded, places[near.index(self.index(bucket))]
        self.absorb(bucket, keys[stands], cells[stands], mine[stands])
        columns = newest["version"].tolist(), newest["position"].tolist(), superseded.tolist()
        return [LatestVerdict(*row) for row in zip(*columns, strict=True)]

    def better(self, cells: Cells, others: Cells) -> NDArray[np.bool_]:
        """The newer version; of one version the later position."""
        newer: NDArray[np.bool_] = (cells["version"] > others["version"]) | (
            (cells["version"] == others["version"]) & (cells["position"] > others["position"])
        )
        return newer

    def preference(self, cells: Cells) -> tuple[NDArray[Any], ...]:
        """The newest version first. Both fields are below 2**63, so their negatives exist."""
        return -cells["position"], -cells["version"]
