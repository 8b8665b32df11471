"""Whether the events of a source lie on the partition of their account: checked at first, then by sample."""

from __future__ import annotations

from streams.murmur2 import partition_for

FIRST = 100
EVERY = 64
MAX_SOURCES = 10_000


class PartitionCheck:
    """Trusts a source of which many events were seen, all of them where they belong: then by offset, one in EVERY."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._seen: dict[str, int] = {}
        self._trusted: set[str] = set()
        self._suspects: set[str] = set()

    def misplaced(self, source: str, account: str, partition: int, offset: int) -> int | None:
        """The right partition of an event that is checked and lies on a wrong one, else None."""
        if source in self._trusted and offset % EVERY:
            return None
        right = partition_for(account.encode(), self._partitions)
        if right == partition:
            self._trust(source)
            return None
        self._trusted.discard(source)
        self._suspects.add(source)
        return right

    def _trust(self, source: str) -> None:
        if len(self._seen) >= MAX_SOURCES and source not in self._seen:
            self._seen.clear()
            self._trusted.clear()
        seen = self._seen[source] = self._seen.get(source, 0) + 1
        if seen >= FIRST and source not in self._suspects:
            self._trusted.add(source)
