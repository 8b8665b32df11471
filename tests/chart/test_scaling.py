"""The shipped autoscaling against a tenfold burst, in the model of the benchmark."""

from __future__ import annotations

from dataclasses import replace

from bench.scaling import CAPACITY, DEFAULTS, Policy, Step, replay, shipped
from deploy.chart.workers import WORKERS


def test_the_model_knows_that_enough_pods_never_wait() -> None:
    """And that too few never catch up."""
    still = Step(1, 1, 0)
    assert replay(Policy(48, 48, 1e9, 0, still, still))["worst_wait_s"] == 0
    assert replay(Policy(1, 1, 1e9, 0, still, still))["left"] > 1_000_000


def test_urgent_lanes_wait_less_with_fewer_rebalances_than_by_defaults() -> None:
    """The defaults with a sensible lag oscillate; those with a lag of ten never scale down."""
    sensible, never = replay(replace(DEFAULTS, lag=5 * CAPACITY)), replay(DEFAULTS)
    for worker in ("router", "critical", "high"):
        found = replay(shipped(worker))
        assert found["late_s"] < sensible["late_s"] / 5
        assert found["rebalances"] < sensible["rebalances"] / 3
        assert found["pod_hours"] < never["pod_hours"] / 1.5
        assert found["left"] == 0


def test_every_worker_of_the_chart_has_a_policy() -> None:
    """Its least is at most its most."""
    assert all(shipped(worker).low <= shipped(worker).high for worker in WORKERS)
