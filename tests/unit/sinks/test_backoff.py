"""When a push is tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sinks.backoff import LONGEST_MS, pause


@given(st.integers(0, 200), st.integers(0, 10**7), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_what_is_asked_for_or_longer_and_bounded(attempt: int, after: int, chance: float) -> None:
    """By chance it varies over half of its length."""
    made = pause(attempt, after, chance)
    assert after <= made < max(after, LONGEST_MS // 2) + LONGEST_MS // 2


def test_pauses_double() -> None:
    """Up to a quarter of an hour."""
    assert [pause(attempt, 0, 0.0) for attempt in (0, 1, 2, 3, 11, 12)] == [500, 500, 1000, 2000, 450_000, 450_000]
