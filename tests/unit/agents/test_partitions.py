"""The check of producers' partitioning: thorough at first, by sample after, thorough again after a miss."""

from __future__ import annotations

from agents.partitions import EVERY, FIRST, MAX_SOURCES, PartitionCheck
from streams.murmur2 import partition_for

RIGHT = partition_for(b"acct", 8)
WRONG = (RIGHT + 1) % 8


def test_the_first_records_of_each_source_are_checked() -> None:
    """A miss names the right partition; another source has a count of its own."""
    check = PartitionCheck(8)
    assert [check.misplaced("a", "acct", RIGHT) for _ in range(FIRST)] == [None] * FIRST
    assert check.misplaced("a", "acct", WRONG) is None
    assert check.misplaced("b", "acct", WRONG) == RIGHT


def test_after_that_a_sample_is_checked() -> None:
    """One in EVERY."""
    check = PartitionCheck(8)
    for _ in range(FIRST):
        check.misplaced("a", "acct", RIGHT)
    answers = [check.misplaced("a", "acct", WRONG) for _ in range(EVERY)]
    assert answers[0] is None
    assert RIGHT in answers


def test_after_one_miss_every_record_is_checked() -> None:
    """A source that was wrong once is not trusted again."""
    check = PartitionCheck(8)
    check.misplaced("a", "acct", WRONG)
    for _ in range(FIRST):
        check.misplaced("a", "acct", RIGHT)
    assert [check.misplaced("a", "acct", WRONG) for _ in range(5)] == [RIGHT] * 5


def test_the_memory_of_sources_is_bounded() -> None:
    """Forgetting counts only means checking more."""
    check = PartitionCheck(8)
    for number in range(MAX_SOURCES + 5):
        check.misplaced(f"s{number}", "acct", RIGHT)
    assert check.misplaced("s0", "acct", WRONG) == RIGHT
