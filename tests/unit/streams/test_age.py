"""The age of the oldest unprocessed record: exact while it is in work, never above the truth's bound otherwise."""

from __future__ import annotations

from streams.age import Age, Ends

EMPTY = {0: Ends(5, 5)}
BEHIND = {0: Ends(5, 9)}


def test_nothing_assigned_is_nothing_old() -> None:
    """A process without partitions has no age."""
    assert Age().oldest(1_000, {}) == 0.0


def test_the_first_record_of_the_batch_in_work_is_the_oldest() -> None:
    """Until the batch is finished; a broker's clock ahead of ours makes no negative age."""
    age = Age()
    age.began(0, 2_000)
    assert age.oldest(5_000, BEHIND) == 3.0
    assert age.oldest(1_000, BEHIND) == 0.0
    age.finished(0, 2_500, 8)
    assert age.oldest(5_000, BEHIND) == 0.0


def test_what_is_left_is_no_older_than_what_was_finished() -> None:
    """Between two batches the age goes on from the last finished record."""
    age = Age()
    age.began(0, 2_000)
    age.finished(0, 2_500, 6)
    assert age.oldest(4_500, BEHIND) == 2.0


def test_after_an_idle_hour_a_new_record_is_not_an_hour_old() -> None:
    """The bound moves while nothing is left."""
    age = Age()
    age.began(0, 0)
    age.finished(0, 0, 4)
    assert age.oldest(3_600_000, EMPTY) == 0.0
    assert age.oldest(3_601_000, BEHIND) == 1.0


def test_a_partition_just_assigned_counts_from_then() -> None:
    """What was there before is not known until it is read."""
    age = Age()
    assert age.oldest(10_000, BEHIND) == 0.0
    assert age.oldest(12_000, BEHIND) == 2.0


def test_a_partition_that_went_is_forgotten() -> None:
    """It may come back years later."""
    age = Age()
    age.began(0, 1_000)
    age.finished(0, 1_000, 5)
    assert age.oldest(9_000, {1: Ends(0, 0)}) == 0.0
    assert age.oldest(10_000, BEHIND) == 0.0


def test_the_oldest_of_all_partitions_counts() -> None:
    """One that stands hides behind none that runs."""
    age = Age()
    age.began(0, 1_000)
    age.began(1, 8_000)
    assert age.oldest(9_000, {0: Ends(0, 5), 1: Ends(0, 5)}) == 8.0
