"""How old the oldest record is that an agent has not processed: by what it took, what it finished, what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Ends(NamedTuple):
    """Of one partition: the next offset after what is committed, and the offset after the last record; -1: unknown."""

    committed: int
    highwater: int


class Age:
    """The age of the oldest unprocessed record of one topic. Written by the agent, read by the metrics thread.

    While a batch is in work its first record is the oldest. Between batches the next record is not known yet: it is no
    older than the last finished one, and no older than the last moment at which nothing was left.
    """

    def __init__(self) -> None:
        self._working: dict[int, int] = {}
        self._bound: dict[int, int] = {}
        self._next: dict[int, int] = {}

    def began(self, partition: int, timestamp: int) -> None:
        """A batch was taken; `timestamp` is the append time of its first record, ms."""
        self._working[partition] = timestamp

    def finished(self, partition: int, timestamp: int, offset: int) -> None:
        """The batch was handled; both are of its last record."""
        self._working.pop(partition, None)
        self._bound[partition] = max(timestamp, self._bound.get(partition, 0))
        self._next[partition] = offset + 1

    def oldest(self, now: int, ends: Mapping[int, Ends]) -> float:
        """Age in seconds at `now` (ms) over the assigned partitions `ends`; 0 where nothing is left."""
        for partition in self._next.keys() - ends.keys():  # with another process now
            self._forget(partition)
        return max((self._of(partition, now, each) for partition, each in ends.items()), default=0.0)

    def _of(self, partition: int, now: int, ends: Ends) -> float:
        working = self._working.get(partition)
        if working is not None:
            return max(0, now - working) / 1000
        if max(self._next.get(partition, 0), ends.committed) >= ends.highwater:
            self._bound[partition] = now
            return 0.0
        return max(0, now - self._bound.setdefault(partition, now)) / 1000

    def _forget(self, partition: int) -> None:
        for known in (self._working, self._bound, self._next):
            known.pop(partition, None)
