"""The order in which batches of packed rows may leave."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from struct import Struct
from typing import Final, TypeVar

#: Below Cassandra's warnings: 10 partitions in an unlogged batch, and 5 KiB by its own count, which is above ours.
PARTITIONS: Final = 10
BYTES: Final = 4500
_short: Final = Struct(">H").pack
G = TypeVar("G", bound=Hashable)
#: A partition of the table: account and lane.
Partition = tuple[bytes, int]
Item = tuple[bytes, int, bytes]  # account, lane, packed row


def partition_key(account: bytes, lane: int) -> bytes:
    """The partition key (account, lane) as Cassandra hashes it."""
    return _short(len(account)) + account + b"\0\0\1" + bytes((lane,)) + b"\0"


def waves(
    items: Iterable[Item], group_of: Callable[[Partition], G], partitions: int = PARTITIONS, size: int = BYTES
) -> Iterator[list[tuple[G, list[bytes]]]]:
    """Batches in waves; each wave leaves when the one before it is acked.

    `items` are in order of position. Rows of one partition share a batch, which is one atomic mutation of it; what
    exceeds `size` bytes waits for the next wave. So the rows of a partition become visible in order. A row larger than
    `size` has a batch of its own.
    """
    wave: dict[Partition, list[bytes]] = {}
    for account, lane, row in items:
        wave.setdefault((account, lane), []).append(row)
    while wave:
        batches: list[tuple[G, list[bytes]]] = []
        open_: dict[G, _Batch] = {}
        later: dict[Partition, list[bytes]] = {}
        for partition, rows in wave.items():
            now, rest = _split(rows, size)
            if rest:
                later[partition] = rest
            group, weight = group_of(partition), sum(map(len, now))
            batch = open_.get(group)
            if batch is None or not batch.add(now, weight, partitions, size):
                open_[group] = _Batch(now, weight)
                batches.append((group, now))
        yield batches
        wave = later


class _Batch:
    """A batch that may still take the rows of another partition."""

    __slots__ = ("partitions", "rows", "size")

    def __init__(self, rows: list[bytes], size: int) -> None:
        self.rows = rows
        self.size = size
        self.partitions = 1

    def add(self, rows: list[bytes], weight: int, partitions: int, size: int) -> bool:
        if self.partitions == partitions or self.size + weight > size:
            return False
        self.rows.extend(rows)
        self.size += weight
        self.partitions += 1
        return True


def _split(rows: list[bytes], size: int) -> tuple[list[bytes], list[bytes]]:
    """The longest start of `rows` within `size` bytes, at least one row, and the rest."""
    total = 0
    for number, row in enumerate(rows):
        total += len(row)
        if total > size and number:
            return rows[:number], rows[number:]
    return rows, []
