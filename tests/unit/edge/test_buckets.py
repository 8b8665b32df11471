"""Token buckets: the rate holds over any time, and any number passes in the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.buckets import Bucket, Rates


def test_a_burst_passes_then_the_rate_holds() -> None:
    """The wait that is told is long enough, and not longer."""
    bucket = Bucket(rate=10, burst=5, now=0)
    assert [bucket.take(1, 0) for _ in range(5)] == [0.0] * 5
    wait = bucket.take(1, 0)
    assert wait == pytest.approx(0.1)
    assert bucket.take(1, wait * 0.9)
    assert bucket.take(1, wait) == 0


def test_more_than_a_burst_passes_and_is_owed() -> None:
    """The next one waits until it is paid."""
    bucket = Bucket(rate=10, burst=5, now=0)
    assert bucket.take(25, 0) == 0
    assert bucket.take(1, 0) == pytest.approx(2.1)
    assert bucket.take(1, 2.1) == 0


def test_a_burst_below_one_works() -> None:
    """It is never full enough for one whole token."""
    bucket = Bucket(rate=1, burst=0.5, now=0)
    assert bucket.take(1, 0) == 0
    assert bucket.take(1, 0) == pytest.approx(1.0)
    assert bucket.take(1, 1.0) == 0


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(-1, 3)), max_size=60))
def test_never_more_than_burst_and_rate(asks: list[tuple[int, float]]) -> None:
    """Also where the time given goes backwards; what passes is at most one ask above them."""
    bucket = Bucket(rate=4, burst=8, now=0)
    now = elapsed = 0.0
    taken = 0
    for number, step in asks:
        now += step
        elapsed += max(step, 0)
        if bucket.take(number, now) == 0:
            taken += number
    assert taken <= 8 + 4 * elapsed + 20


def test_each_key_has_its_rate_and_few_are_remembered() -> None:
    """The one that has not asked for longest is forgotten."""
    rates = Rates(rate=1, burst=1, most=2)
    assert rates.take("a", 0) == 0
    assert rates.take("a", 0) == pytest.approx(1.0)
    assert rates.take("b", 0) == 0
    assert rates.take("a", 0) > 0
    assert rates.take("c", 0) == 0
    assert len(rates) == 2
    assert rates.take("a", 0) > 0
    assert rates.take("b", 0) == 0
