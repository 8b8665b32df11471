"""The sweep of crash points leaves none out."""

from __future__ import annotations

from streams.failpoints import POINTS
from tests.faults.points import ROWS, one_by_one


def test_every_point_is_swept() -> None:
    """A point that nobody dies at is a point that nobody knows."""
    assert {crash.point for row in ROWS for crash in row} == set(POINTS)
    assert {crash.point for (crash,) in one_by_one()} == set(POINTS)


def test_the_crashes_of_a_row_are_of_different_processes() -> None:
    """They happen at the same time."""
    assert all(len({crash.member for crash in row}) == len(row) for row in ROWS)
