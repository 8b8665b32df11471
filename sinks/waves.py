"""Rows as bytes of Cassandra's protocol, and the order in which batches of them may leave."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from struct import Struct
from typing import Final, TypeVar

from sinks.rows import Row

#: Below Cassandra's warnings: 10 partitions in an unlogged batch, and 5 KiB by its own count, which is above ours.
PARTITIONS: Final = 10
BYTES: Final = 4500
INSERT: Final = (
    "INSERT INTO inbox (account, lane, seq, id, type, detail, payload) VALUES (?, ?, ?, ?, ?, ?, ?) USING TTL ?"
)
_VALUES: Final = 8
_MAX_LAYOUTS: Final = 10_000
_short: Final = Struct(">H").pack
_last: Final = Struct(">ii").pack
G = TypeVar("G", bound=Hashable)
#: A partition of the table: account and lane.
Partition = tuple[bytes, int]
Item = tuple[bytes, int, bytes]  # account, lane, packed row


def partition_key(account: bytes, lane: int) -> bytes:
    """The partition key (account, lane) as Cassandra hashes it."""
    return _short(len(account)) + account + b"\0\0\1" + bytes((lane,)) + b"\0"


class Packer:
    """Packs rows for a BATCH of one prepared statement; layouts are cached by the lengths of the short texts."""

    def __init__(self, query_id: bytes) -> None:
        self._head = b"\x01" + _short(len(query_id)) + query_id + _short(_VALUES)
        self._layouts: dict[tuple[int, int], Struct] = {}

    def pack(self, row: Row) -> bytes:
        """One entry of the batch: the statement's id, then its values, each after its length."""
        account, type_, detail, payload = row.account, row.type, row.detail, row.payload
        layout = self._layouts.get((len(account), len(type_)))
        if layout is None:
            layout = self._layout(len(account), len(type_))
        start = layout.pack(
            self._head, len(account), account, 1, row.lane, 8, row.seq, 16, row.id, len(type_), type_, len(detail)
        )
        return b"".join((start, detail, len(payload).to_bytes(4, "big"), payload, _last(4, row.ttl)))

    def _layout(self, account: int, type_: int) -> Struct:
        if len(self._layouts) >= _MAX_LAYOUTS:
            self._layouts.clear()
        layout = Struct(f">{len(self._head)}si{account}sibiqi16si{type_}si")
        self._layouts[account, type_] = layout
        return layout


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
