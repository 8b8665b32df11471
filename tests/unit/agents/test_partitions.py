"""The check of producers' partitioning: thorough at first, by sample after, thorough again after a miss."""

from __future__ import annotations

from agents.partitions import EVERY, FIRST, MAX_SOURCES, PartitionCheck
from streams.murmur2 import partition_for

RIGHT = partition_for(b"acct", 8)
WRONG = (RIGHT + 1) % 8


def ask(check: PartitionCheck, partition: int, times: int, source: str = "a") -> list[int | None]:
    """The answers for so many events of a source on a partition, at offsets from 1 on."""
    return [check.misplaced(source, "acct", partition, offset) for offset in range(1, times + 1)]


def test_the_first_records_of_each_source_are_checked() -> None:
    """A miss names the right partition; another source has a count of its own."""
    check = PartitionCheck(8)
    assert ask(check, RIGHT, FIRST) == [None] * FIRST
    assert ask(check, WRONG, 1) == [None]
    assert ask(check, WRONG, 1, "b") == [RIGHT]


def test_after_that_a_sample_is_checked() -> None:
    """One in EVERY; and once it was wrong, each."""
    check = PartitionCheck(8)
    ask(check, RIGHT, FIRST)
    assert ask(check, WRONG, EVERY + 2) == [None] * (EVERY - 1) + [RIGHT] * 3


def test_after_one_miss_every_record_is_checked() -> None:
    """A source that was wrong once is not trusted again."""
    check = PartitionCheck(8)
    assert ask(check, WRONG, 1) == [RIGHT]
    ask(check, RIGHT, FIRST)
    assert ask(check, WRONG, 5) == [RIGHT] * 5


def test_the_memory_of_sources_is_bounded() -> None:
    """Forgetting whom to trust only means checking more."""
    check = PartitionCheck(8)
    ask(check, RIGHT, FIRST, "s0")
    for number in range(MAX_SOURCES):
        ask(check, RIGHT, 1, f"s{number}")
    ask(check, RIGHT, 1, "another")
    assert ask(check, WRONG, 1, "s0") == [RIGHT]


def test_the_memory_of_sources_that_are_wrong_is_bounded() -> None:
    """A producer that names a new source with each event it puts elsewhere does not fill the worker."""
    check = PartitionCheck(8)
    for number in range(3 * MAX_SOURCES):
        ask(check, WRONG, 1, f"s{number}")
    assert len(check) <= MAX_SOURCES
