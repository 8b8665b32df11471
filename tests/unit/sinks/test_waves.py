"""How rows become batches, and in which order these leave."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sinks.rows import row_of
from sinks.waves import BYTES, PARTITIONS, Item, Packer, Partition, partition_key, waves
from tests.unit.fakes import NOW
from tests.unit.sinks.make import envelope

sizes = st.tuples(st.integers(0, 29), st.integers(0, 1), st.integers(50, 6000))


def _items(plan: list[tuple[int, int, int]]) -> list[Item]:
    return [(b"a%d" % account, lane, b"%06d" % n + b"x" * size) for n, (account, lane, size) in enumerate(plan)]


def _group(partition: Partition) -> int:
    return hash(partition) % 4


@given(st.lists(sizes, max_size=120))
def test_every_row_leaves_once_in_order_within_the_limits(plan: list[tuple[int, int, int]]) -> None:
    """Rows of a partition keep their order over waves; two of them in one wave share a batch, which is atomic."""
    items = _items(plan)
    partition = {row: (account, lane) for account, lane, row in items}
    place: dict[bytes, tuple[int, int]] = {}
    for wave, batches in enumerate(waves(items, _group)):
        for number, (group, rows) in enumerate(batches):
            assert {_group(partition[row]) for row in rows} == {group}
            assert len({partition[row] for row in rows}) <= PARTITIONS
            assert sum(map(len, rows)) <= BYTES or len(rows) == 1
            for row in rows:
                assert row not in place
                place[row] = wave, number
    assert place.keys() == partition.keys()
    for key in set(partition.values()):
        own = [row for _, _, row in items if partition[row] == key]
        for before, after in pairwise(own):
            assert place[before][0] < place[after][0] or place[before] == place[after]


def test_many_rows_of_one_account_leave_one_batch_after_the_other() -> None:
    """One mutation of an account in flight, so that its rows become visible in order."""
    rows = [b"%04d" % n + b"x" * 300 for n in range(60)]
    sent = list(waves([(b"anna", 0, row) for row in rows], _group))
    assert all(len(batches) == 1 for batches in sent)
    assert [row for batches in sent for _, part in batches for row in part] == rows
    assert len(sent) == 5


def test_nothing_makes_no_wave() -> None:
    """An empty batch sends nothing."""
    assert list(waves([], _group)) == []


def test_a_packed_row_is_a_statement_with_eight_values() -> None:
    """Each value stands after its length, as the protocol has it."""
    row = row_of(envelope(3, account="ännä", payload=b""), NOW)
    packed = Packer(b"0123456789abcdef").pack(row)
    assert packed[:1] == b"\x01"
    assert packed[1:19] == b"\x00\x10" + b"0123456789abcdef"
    values, at = [], 21
    assert struct.unpack(">H", packed[19:21]) == (8,)
    while at < len(packed):
        (size,) = struct.unpack_from(">i", packed, at)
        values.append(packed[at + 4 : at + 4 + size])
        at += 4 + size
    assert values == [
        "ännä".encode(),
        b"\x00",
        struct.pack(">q", row.seq),
        row.id,
        row.type,
        row.detail,
        b"",
        struct.pack(">i", 3600),
    ]


def test_the_layouts_kept_are_bounded() -> None:
    """Hostile lengths cannot fill the memory, and rows stay right."""
    packer = Packer(b"q")
    packer._layouts.update({(n, 0): struct.Struct(">i") for n in range(1000, 11_000)})
    packer.pack(row_of(envelope(), NOW))
    assert len(packer._layouts) == 1


def test_the_partition_key_is_composite() -> None:
    """Each part has its length before it and a zero after it."""
    assert partition_key(b"ab", 3) == b"\x00\x02ab\x00\x00\x01\x03\x00"
