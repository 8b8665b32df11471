"""The benchmarks of the stores count what is wrong."""

from __future__ import annotations

from bench.inbox import Rows, differences
from bench.presence import Book, Online, household
from sinks.heads import UNKNOWN

CELLS = (b"id", "type", b"detail", b"payload")


def test_rows_that_are_missing_or_other_or_too_many_are_wrong() -> None:
    """And equal ones are not."""
    rows: Rows = {("anna", 0, seq): CELLS for seq in range(3)}
    assert differences(rows, dict(rows)) == 0
    assert differences(rows, {}) == 3
    assert differences(rows, rows | {("anna", 1, 0): CELLS}) == 1
    assert differences(rows, rows | {("anna", 0, 1): (b"id", "type", b"detail", b"")}) == 1


def test_a_head_or_a_device_that_is_not_what_was_set_is_wrong() -> None:
    """A head must be the one before the raise."""
    book = Book(Online({"anna": household(1)}))
    book.check({"anna": 5}, [(UNKNOWN, household(1))])
    book.check({"anna": 6}, [(5, household(1))])
    assert book.wrong == 0
    book.check({"anna": 7}, [(5, household(1))])
    book.check({"anna": 8}, [(7, household(2))])
    assert book.wrong == 2
