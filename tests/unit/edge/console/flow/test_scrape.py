"""What is read of a worker's metrics, and what it means between two looks."""

from __future__ import annotations

from prometheus_client import generate_latest

from edge.console.flow.scrape import Counts, Pace, parse
from streams.metrics import Metrics
from streams.outcomes import Outcome


def test_a_page_as_workers_write_it() -> None:
    """By the metrics that they export: the two cannot drift apart."""
    metrics = Metrics()
    stage = metrics.stage("route", "all")
    metrics.gauge("start_time_seconds", "When it started.", lambda: 7.0)
    metrics.gauge("edge_sessions", "Devices.", lambda: 3.0)
    ages: dict[tuple[str, ...], float] = {("route", "all"): 1.5}
    metrics.levels("oldest_unprocessed_event_age_seconds", "Age.", ("stage", "lane"), lambda: ages)
    metrics.levels("stage_lag_records", "Lag.", ("stage", "lane"), lambda: {("route", "all"): 4.0})
    with stage.batch(5):
        stage.count([Outcome("stale", "a", 1), Outcome("duplicate", "a", 2)])
        stage.copies += 1
        stage.ended["events"] += 2
    scrape = parse(generate_latest(metrics.registry).decode(), 10.0)
    assert (scrape.at, scrape.started, scrape.sessions) == (10.0, 7.0, 3.0)
    counts = scrape.stages["route", "all"]
    assert (counts.records, counts.copies, counts.lag, counts.oldest) == (5, 1, 4, 1.5)
    assert {end: number for end, number in counts.ended.items() if number} == {"stale": 1, "duplicate": 1, "events": 2}
    assert counts.missing == 0


def test_records_of_which_nobody_says_anything_are_missing() -> None:
    """Those in flight are not."""
    assert Counts(records=10, copies=1, in_flight=2, ended={"stale": 3}).missing == 4


def test_what_is_no_page_of_metrics_has_no_stages() -> None:
    """Comments and other families are passed over."""
    assert parse("# HELP lockstep_records_total x\npython_info 1\nlockstep_other_total 5\n", 1.0).stages == {}


def test_rates_are_of_one_life_of_a_process() -> None:
    """Copies are no work; only what ends an event is a drop; several processes add up, the oldest age stands."""
    pace = Pace()
    before = Counts(records=100, copies=10, ended={"stale": 5, "events": 80})
    now = Counts(records=160, copies=20, lag=3, oldest=1.0, ended={"stale": 9, "events": 120, "merged": 2, "stored": 1})
    pace.add(before, now, 2.0)
    assert (pace.rate, pace.lag, pace.oldest, pace.drops) == (25.0, 3, 1.0, {"stale": 2.0, "merged": 1.0})
    pace.add(None, Counts(records=1000, lag=2, oldest=0.5), 2.0)
    pace.add(now, now, 0.0)
    assert (pace.rate, pace.lag, pace.oldest) == (25.0, 8, 1.0)
    pace.add(before, before, 1.0)
    assert pace.drops == {"stale": 2.0, "merged": 1.0}
