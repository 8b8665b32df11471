"""When dead letters stop a partition: too many in a row, or too great a part of the last records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.limits import DeadLetterLimits
from streams.limits import Limits

FEW = Limits(dead_letter_ratio=0.5, dead_letter_window=10, dead_letter_consecutive=4)


def take(limits: DeadLetterLimits, text: str) -> str | None:
    """Enter a batch, written as one letter for each record: x is a dead letter."""
    return limits.take([place for place, letter in enumerate(text) if letter == "x"], len(text))


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        (["xxxx"], None),
        (["xxxxx"], "5 dead letters in a row, limit 4"),
        (["oxxx", "xx"], "5 dead letters in a row, limit 4"),
        (["oxxx", "x", "x"], "5 dead letters in a row, limit 4"),
        (["xxx", "o", "xxx"], None),
        (["xxxo", "xxx"], None),
        (["x.x.x.x.x."], None),
        (["..xx.xx.xx"], "6 of 10 records are dead letters, limit 50%"),
        (["xx.xx.x", "..x"], "6 of 10 records are dead letters, limit 50%"),
        (["xx.xx.xx."], None),
        (["xx.xx.xx.."], None),
        (["xx.xx....", ".", "oooo", "xx.x"], None),
        (["o" * 1000, "xx.x", "x.xx."], "6 of 10 records are dead letters, limit 50%"),
    ],
)
def test_the_batch_that_breaks_a_limit_says_which(batches: list[str], said: str | None) -> None:
    """At the limit the partition goes on; above it, counted over batches, it does not. A ratio takes a full window."""
    limits = DeadLetterLimits(FEW)
    *before, last = batches
    assert [take(limits, batch) for batch in before] == [None] * len(before)
    assert take(limits, last) == said


def test_a_batch_that_breaks_a_limit_is_not_entered() -> None:
    """Read again, it breaks it again; a good one in its place does not."""
    limits = DeadLetterLimits(FEW)
    assert take(limits, "xxx") is None
    assert take(limits, "xx") == take(limits, "xx") == "5 dead letters in a row, limit 4"
    assert take(limits, "o") is None
    assert take(limits, "xxxx") is None


def test_a_ratio_of_one_turns_it_off() -> None:
    """Nothing is more than all."""
    limits = DeadLetterLimits(Limits(dead_letter_ratio=1, dead_letter_window=2, dead_letter_consecutive=1000))
    assert take(limits, "x" * 1000) is None


@given(st.text("xo", max_size=60), st.lists(st.integers(1, 9), max_size=20))
def test_limits_do_not_depend_on_how_batches_are_cut(records: str, cuts: list[int]) -> None:
    """The first record that breaks a limit is the one that plain counting says."""
    broken = next((n for n in range(1, len(records) + 1) if plainly(records[:n])), None)
    limits, at = DeadLetterLimits(FEW), 0
    for size in (*cuts, len(records)):
        batch = records[at : at + size]
        stopped = bool(batch) and take(limits, batch) is not None
        assert stopped == (broken is not None and at < broken <= at + len(batch))
        if stopped:
            return
        at += len(batch)


def plainly(records: str) -> bool:
    """Whether the last of these records breaks a limit."""
    in_a_row = len(records) - len(records.rstrip("x"))
    return records.endswith("x") and (in_a_row > 4 or (len(records) >= 10 and records[-10:].count("x") > 5))
