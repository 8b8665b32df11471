"""Token buckets: the rate holds over any time, and any number passes in the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.auth.buckets import Bucket, Pace, Rates


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


def test_a_bucket_of_one_number_is_as_good() -> None:
    """Full at first; it says no for as long as it takes to fill with one more."""
    pace, full = Pace(rate=10, burst=5), 0.0
    for _ in range(5):
        taken = pace.take(full, 7.0)
        assert taken is not None
        full = taken
    assert pace.take(full, 7.0) is None
    assert pace.take(full, 7.09) is None
    taken = pace.take(full, 7.11)
    assert taken is not None
    assert pace.take(taken, 7.11) is None


@given(st.lists(st.floats(0, 1), max_size=60))
def test_a_bucket_of_one_number_keeps_the_rate(steps: list[float]) -> None:
    """Never more than the burst and what has come since."""
    pace, full, taken, now = Pace(rate=4, burst=8), 0.0, 0, 100.0
    for step in steps:
        now += step / 4
        after = pace.take(full, now)
        full, taken = (full, taken) if after is None else (after, taken + 1)
    assert taken <= 8 + 4 * (now - 100) + 1e-6
    assert taken >= min(len(steps), 8)


def test_each_key_has_its_rate_and_few_are_remembered() -> None:
    """Those that have not asked for long are forgotten."""
    rates = Rates(rate=1, burst=1, most=2)
    assert rates.take("a", 0) == 0
    assert rates.take("a", 0) == pytest.approx(1.0)
    assert rates.take("b", 0) == 0
    assert rates.take("a", 0) > 0
    assert rates.take("c", 0) == 0  # what was remembered before is forgotten with the next but one
    assert rates.take("a", 0) > 0
    for key in ("d", "e"):
        assert rates.take(key, 0) == 0
    assert len(rates) <= 4
    assert rates.take("b", 0) == 0
