"""Tests of the entries of `make bench-state`, and that a wrong answer would show."""

from __future__ import annotations

import numpy as np
import pytest

from bench.state.keys import BATCH, PARTITIONS, Load, fingerprints, partition_of

START = 1_800_000_000_000


@pytest.fixture(params=["seen", "latest"])
def load(request: pytest.FixtureRequest) -> Load:
    """A load of each table."""
    return Load(request.param, 10_000, START)


def test_fingerprints_are_different_and_the_same_each_time() -> None:
    """Alone as among others."""
    found = fingerprints(np.arange(10_000, dtype=np.uint64))
    assert len(set(found)) == 10_000
    assert {len(name) for name in found} == {12}
    assert fingerprints(np.array([77], np.uint64)) == [found[77]]


def test_batches_go_round_the_partitions() -> None:
    """A batch is of one partition."""
    assert [partition_of(at * BATCH) for at in range(PARTITIONS + 1)] == [*range(PARTITIONS), 0]
    assert {partition_of(number) for number in range(BATCH)} == {0}


def test_the_state_says_what_is_expected(load: Load) -> None:
    """Of new keys and of repeats, in one batch and later."""
    state = load.states()[0]
    first, second = range(BATCH), range(BATCH * PARTITIONS, BATCH * PARTITIONS + BATCH)
    assert state.judge(load.entries(first))[0] == load.expected(first)
    assert state.judge(load.entries(second, [3, 5]))[0] == load.expected(second, [3, 5])


def test_a_state_that_has_forgotten_would_say_something_else(load: Load) -> None:
    """So the benchmark would call it wrong."""
    state = load.states()[0]
    numbers = range(BATCH)
    assert state.judge(load.entries(numbers, [BATCH * PARTITIONS]))[0] != load.expected(numbers, [BATCH * PARTITIONS])
