"""Whether the events of a source lie on the partition of their account: checked at first, then by sample."""

from __future__ import annotations

from streams.murmur2 import partition_for

FIRST = 100
EVERY = 64
MAX_SOURCES = 10_000
_NEVER = -(2**62)


class PartitionCheck:
    """Trusts a source of which many events were seen, all of them where they belong: then by offset, one in EVERY."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._right: dict[str, int] = {}  # events of each source on their partition, below 0 after one that was not

    def __len__(self) -> int:
        return len(self._right)

    def misplaced(self, source: str, account: str, partition: int, offset: int) -> int | None:
        """The right partition of an event that is checked and lies on a wrong one, else None."""
        before = self._right.get(source, 0)
        if before >= FIRST and offset % EVERY:
            return None
        right = partition_for(account.encode(), self._partitions)
        if len(self._right) >= MAX_SOURCES and source not in self._right:
            self._right.clear()
        self._right[source] = before + 1 if right == partition else _NEVER
        return None if right == partition else right
