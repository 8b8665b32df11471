"""Rows of a changelog that is compacted: what a life wrote is there for the next, however later lives cut batches."""

from __future__ import annotations

from streams.seen import SeenState
from tests.models.test_seen import faults

#: Runs in which a batch that begins like an earlier one and is shorter leaves out what a later record repeats.
SEEDS = range(120, 130)


def test_a_shorter_row_does_not_replace_a_longer_one() -> None:
    """No id takes effect twice."""
    assert faults(SEEDS) == set()
    assert faults(SEEDS, SeenState, 0, first_only=True) == {"twice"}
