"""Whether the events of a source lie on the partition of their account: checked at first, then by sample."""

from __future__ import annotations

from streams.murmur2 import partition_for

FIRST = 100
EVERY = 64
MAX_SOURCES = 10_000


class PartitionCheck:
    """Remembers, per source, how many events were seen and whether one of them lay elsewhere."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._seen: dict[str, int] = {}
        self._suspects: set[str] = set()

    def misplaced(self, source: str, account: str, partition: int) -> int | None:
        """The right partition of an event that is checked and lies on a wrong one, else None."""
        seen = self._seen.get(source, 0) + 1
        if len(self._seen) >= MAX_SOURCES and source not in self._seen:
            self._seen.clear()
        self._seen[source] = seen
        if seen > FIRST and seen % EVERY and source not in self._suspects:
            return None
        right = partition_for(account.encode(), self._partitions)
        if right == partition:
            return None
        self._suspects.add(source)
        return right
