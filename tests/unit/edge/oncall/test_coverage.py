"""Ranges that devices have, folded as they come, against a model that remembers them all."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from edge.oncall.coverage import Coverage

Said = list[tuple[int, int]]


@given(st.lists(st.tuples(st.integers(-1, 30), st.integers(0, 30)), max_size=12))
@example([(4, 6), (0, 6), (0, 9)])
def test_each_position_has_its_first_word(said: Said) -> None:
    """Whatever the order and overlap of the ranges."""
    ranges = [(since, to) for since, to in said if to > since]
    coverage = Coverage()
    for at, (since, to) in enumerate(ranges):
        coverage.add("a", "tv", 1, since, to, at)
    for seq in range(-1, 32):
        first = next((at for at, (since, to) in enumerate(ranges) if since < seq <= to), None)
        assert coverage.when("a", "tv", 1, seq) == first


def test_devices_and_lanes_are_apart() -> None:
    """A range speaks of one device, account and lane."""
    coverage = Coverage()
    coverage.add("a", "tv", 1, 0, 5, 7)
    assert coverage.when("a", "tv", 1, 5) == 7
    assert [coverage.when(*key, 5) for key in (("b", "tv", 1), ("a", "phone", 1), ("a", "tv", 0))] == [None] * 3
