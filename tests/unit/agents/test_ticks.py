"""Ticks: when an idle window is ended, and that nobody writes them for a partition that went."""

from __future__ import annotations

from agents.ticks import AGAIN_S, SLACK_S, Ticker
from streams.stage import Life
from tests.unit.agents.fake_clock import FakeClock


class Rig:
    """A ticker with a fake clock; `full` refuses so many ticks."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ticks: list[tuple[float, int]] = []
        self.full = 0
        self.ticker = Ticker(self._write, self.clock.later)

    def _write(self, partition: int) -> None:
        if self.full:
            self.full -= 1
            raise BufferError
        self.ticks.append((round(self.clock.now, 3), partition))


def test_an_open_window_is_ended_soon_after_its_end() -> None:
    """What remains of it, and a little; each partition for itself; later records move it, as they move the log."""
    rig, life = Rig(), Life()
    rig.ticker.watch(0, life, 200, ticked=False)
    rig.ticker.watch(1, life, 1000, ticked=False)
    rig.clock.pass_to(0.1)
    rig.ticker.watch(0, life, 150, ticked=False)
    rig.clock.pass_to(2.0)
    assert rig.ticks == [(0.25 + SLACK_S, 0), (1.0 + SLACK_S, 1)]


def test_a_window_that_ended_by_itself_needs_none() -> None:
    """Nothing is held any more."""
    rig, life = Rig(), Life()
    rig.ticker.watch(0, life, 200, ticked=False)
    rig.ticker.watch(0, life, None, ticked=False)
    rig.clock.pass_to(10.0)
    assert (rig.ticks, rig.clock.calls) == ([], [])


def test_one_tick_is_under_way_at_a_time() -> None:
    """Others wait until it is met, or for long; a tick that came too early is followed by another one."""
    rig, life = Rig(), Life()
    rig.ticker.watch(0, life, 200, ticked=False)
    rig.clock.pass_to(0.3)
    rig.ticker.watch(0, life, 50, ticked=False)
    rig.clock.pass_to(1.0)
    assert len(rig.ticks) == 1
    rig.ticker.watch(0, life, 20, ticked=True)
    rig.clock.pass_to(2.0)
    assert [at for at, _ in rig.ticks] == [0.225, 1.045]
    rig.clock.pass_to(2.0 + AGAIN_S)
    assert len(rig.ticks) == 3


def test_a_full_queue_is_tried_again() -> None:
    """Soon."""
    rig, life = Rig(), Life()
    rig.full = 2
    rig.ticker.watch(0, life, 200, ticked=False)
    rig.clock.pass_to(1.0)
    assert rig.ticks == [(round(0.2 + 3 * SLACK_S, 3), 0)]


def test_a_partition_that_went_gets_none() -> None:
    """Whoever has it now watches it; when it comes back it is another life, with no tick under way."""
    rig, life, next_life = Rig(), Life(), Life()
    rig.ticker.watch(0, life, 200, ticked=False)
    rig.ticker.watch(1, life, 100, ticked=False)
    rig.clock.pass_to(0.15)
    life.over = True
    rig.clock.pass_to(1.0)
    assert rig.ticks == [(0.1 + SLACK_S, 1)]
    rig.ticker.watch(1, next_life, 100, ticked=False)
    rig.clock.pass_to(2.0)
    assert rig.ticks[1:] == [(1.1 + SLACK_S, 1)]
