"""Pulls skip nothing and get everything, however rows, heads and reads interleave; and every rule of it is needed."""

from __future__ import annotations

import pytest

from tests.models.pull import Rules, search


@pytest.mark.parametrize("limit", [1, 2, 6])
@pytest.mark.parametrize("filled", [True, False])
def test_pulls_get_everything(limit: int, filled: bool) -> None:
    """Two lanes of three rows each, pages of any size, lanes with and without a head."""
    found = search(Rules(limit=limit, filled=filled))
    assert not found.faults, str(found)
    assert found.states > 1000


MUTANTS = {
    "one number is the cursor of all lanes": (Rules(lanes_apart=False), "skip"),
    "the tag is the greatest head": (Rules(tag_of_all=False, limit=6), "stuck"),
    "heads are read after the inbox": (Rules(heads_first=False), "skip"),
    "the head is raised before the row is there": (Rules(row_first=False), "skip"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_caught(mutant: str) -> None:
    """A pull that breaks the rule has the fault, and the model finds it."""
    rules, expected = MUTANTS[mutant]
    assert expected in search(rules).faults
