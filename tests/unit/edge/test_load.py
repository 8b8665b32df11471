"""Load: the busier the loop, the longer idle devices stay away."""

from __future__ import annotations

import pytest

from edge.load import POLL_AFTER_S, Load


def busy(share: float) -> Load:
    """A loop that has computed so much for a while."""
    load = Load()
    for second in range(200):
        load.sample(second, second * share)
    return load


@pytest.mark.parametrize(("share", "times"), [(0.0, 1), (0.5, 1), (0.75, 2), (0.875, 4), (0.97, 8), (1.0, 8)])
def test_idle_devices_stay_away_for_longer(share: float, times: float) -> None:
    """From half a core on; eight times as long at most."""
    load = busy(share)
    assert load.share == pytest.approx(share, abs=0.001)
    assert load.poll_after(0.5) == pytest.approx(times * POLL_AFTER_S, rel=0.02)


def test_devices_are_spread() -> None:
    """By a fifth to both sides."""
    load = Load()
    assert load.poll_after(0.0) == pytest.approx(0.8 * POLL_AFTER_S)
    assert load.poll_after(1.0) == pytest.approx(1.2 * POLL_AFTER_S)


def test_what_is_told_was_made_beforehand_and_keeps_to_the_load() -> None:
    """Of the newest sample; few answers are spread as well as many."""
    idle = busy(0.1)
    few = []
    for second in range(200, 210):
        few.append(next(idle.afters))
        idle.sample(second, second * 0.1)
    assert max(few) - min(few) > 0.3 * POLL_AFTER_S
    for load, times in ((Load(), 1), (busy(0.75), 2)):
        told = [next(load.afters) for _ in range(512)]
        assert min(told) >= 0.79 * times * POLL_AFTER_S
        assert max(told) <= 1.21 * times * POLL_AFTER_S
        assert len(set(told)) > 100
        assert sum(told) / len(told) == pytest.approx(times * POLL_AFTER_S, rel=0.02)


def test_one_busy_second_is_no_load() -> None:
    """And clocks that do not move are no sample."""
    load = busy(0.1)
    load.sample(200, 20.9)
    assert load.share < 0.3
    before = load.share
    load.sample(200, 30)
    assert load.share == before
