"""Which rows share a batch, and in which order batches leave."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from sinks.waves import BYTES, PARTITIONS, Item, Partition, partition_key, waves

sizes = st.tuples(st.integers(0, 29), st.integers(0, 1), st.integers(50, 6000))


def _items(plan: list[tuple[int, int, int]]) -> list[Item]:
    return [(b"a%d" % account, lane, b"%06d" % n + b"x" * size) for n, (account, lane, size) in enumerate(plan)]


def _group(partition: Partition) -> int:
    return hash(partition) % 4


@given(st.lists(sizes, max_size=120))
@example([(n % 29, n % 2, 50) for n in range(58)])  # more partitions than four batches may have
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


def test_the_partition_key_is_composite() -> None:
    """Each part has its length before it and a zero after it."""
    assert partition_key(b"ab", 3) == b"\x00\x02ab\x00\x00\x01\x03\x00"
