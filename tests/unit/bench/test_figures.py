"""The last lines of the benchmarks of the whole, from what their runs found."""

from __future__ import annotations

import numpy as np
import psutil

from bench import idle, latency, pipeline
from bench.judge import Arrivals
from bench.measure import busy
from bench.runs import Outcome
from bench.system import BY_STAGE


def run(cpu_s: dict[str, float], events: int, seconds: float) -> Outcome:
    """A run whose events all took 5 ms."""
    numbers = np.arange(events)
    arrivals = Arrivals(numbers, numbers, numbers, numbers + 5_000_000)
    return Outcome(cpu_s, seconds, arrivals, np.arange(events), 0)


def test_the_pipeline_is_the_median_of_its_runs_per_event() -> None:
    """All processes together, and each."""
    costs = ({"router": 1.0, "edge": 3.0}, {"router": 2.0, "edge": 2.0}, {"router": 5.0, "edge": 9.0})
    found = pipeline.found([run(cpu, 100, 0.5) for cpu in costs], 7)
    assert found == pipeline.Found(40_000.0, 200, {"router": 20_000.0, "edge": 30_000.0}, 7)
    assert list(BY_STAGE) == ["route", "notify", "store", "push"]


def at(rate: float, busy: float, longest: float = 1.0) -> latency.AtRate:
    """What a rate gave; its critical latencies say which it was."""
    return latency.AtRate(rate, {"critical": (rate / 100, rate / 10, rate)}, busy, longest)


def test_latency_is_that_of_the_highest_rate_that_the_machine_keeps_up() -> None:
    """Without one the rate is 0, and the latency that of the lowest."""
    flooded = latency.Flooded(10.0, 15.0, 4321.4)
    found = latency.figures([at(1000, 0.3), at(2000, 0.6), at(5000, 0.9)], flooded, 0)
    assert found == {
        "rate_per_s": 2000, "critical_p50_ms": 20.0, "critical_p99_ms": 200.0, "flood_events_per_s": 4321,
        "critical_p99_flood_ratio": 1.5, "wrong": 0,
    }  # fmt: skip
    late = latency.figures([at(1000, 0.3, longest=6.0)], flooded, 1)
    assert (late["rate_per_s"], late["critical_p99_ms"], late["wrong"]) == (0, 100.0, 1)


def test_a_flood_that_no_event_met_has_no_ratio() -> None:
    """Events before and after it say nothing of it."""
    events = np.array([[10, 1.0], [20, 2.0], [30, 3.0]])
    assert latency.p99_within(events, 15, 25) == 2.0
    assert latency.p99_within(events, 21, 29) is None
    missed = latency.figures([at(1000, 0.3)], latency.Flooded(10.0, None, 4321.4), 0)
    assert missed["critical_p99_flood_ratio"] is None


def test_lanes_are_told_apart_by_turn() -> None:
    """The load's lanes take turns."""
    found = latency.by_lane(run({}, 8, 1.0))
    assert found == {key: [5.0, 5.0, 5.0] for key in ("critical", "high", "normal", "low")}


def test_the_busy_share_leaves_waiting_for_disks_out() -> None:
    """Idle is idle, whatever it waits for."""
    before = psutil.cpu_times()
    after = before._replace(user=before.user + 3.0, idle=before.idle + 4.0, iowait=before.iowait + 3.0)
    assert round(busy(before, after), 2) == 0.3


def test_idling_is_that_of_the_busiest_worker() -> None:
    """The edge is none; under load only those on the way of urgent events count."""
    idling = {"router": 0.01, "critical": 0.02, "low": 0.03, "edge": 0.5}
    loaded = {"router": 0.04, "critical": 0.03, "low": 0.9, "edge": 0.9}
    figures = idle.figures(idle.Found(idling, {"critical": loaded, "low": idling}, 0))
    assert figures == {"core_share_at_100_per_s": 0.04, "core_share_idle": 0.03, "wrong": 0}
