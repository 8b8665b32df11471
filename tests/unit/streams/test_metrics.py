"""Metrics: what is counted is what a scrape shows."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.histogram import Histogram
from streams.metrics import PREFIX, Metrics, build_info
from streams.outcomes import Outcome


def scrape(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Value of each series, by name and labels; fails for a series that is there twice."""
    samples = [
        sample
        for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())
        for sample in family.samples
    ]
    series = {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples}
    assert len(series) == len(samples)
    return series


def test_nothing_counted_is_still_readable() -> None:
    """A process without stages has no series, and no error."""
    assert scrape(Metrics()) == {}


def test_the_counts_of_a_stage_are_exported() -> None:
    """Records, copies, batches and outcomes, labelled with stage and lane."""
    metrics = Metrics()
    stage = metrics.stage("store", "high")
    stage.records, stage.copies, stage.batches = 5, 2, 1
    stage.count([Outcome("stored", "a", 1, ("d", "e")), Outcome("stored", "a", 2, ("d",)), Outcome("stale", "a", 3)])
    labels = (("lane", "high"), ("stage", "store"))
    assert scrape(metrics) == {
        (f"{PREFIX}records_total", labels): 5,
        (f"{PREFIX}copies_total", labels): 2,
        (f"{PREFIX}batches_total", labels): 1,
        (f"{PREFIX}in_flight", labels): 0,
        (f"{PREFIX}ended_total", (("end", "stored"), *labels)): 2,
        (f"{PREFIX}ended_total", (("end", "stale"), *labels)): 1,
        (f"{PREFIX}outcomes_total", (labels[0], ("outcome", "stored"), labels[1])): 3,
        (f"{PREFIX}outcomes_total", (labels[0], ("outcome", "stale"), labels[1])): 1,
    }


def test_a_stage_that_is_asked_for_twice_is_one() -> None:
    """Agents of one stage and lane count together: no series may be there twice."""
    metrics = Metrics()
    metrics.stage("push", "high").records += 1
    metrics.stage("push", "high").records += 1
    metrics.stage("push", "low").records += 1
    by_lane = {
        labels[0][1]: value for (name, labels), value in scrape(metrics).items() if name.endswith("records_total")
    }
    assert by_lane == {"high": 2, "low": 1}


def test_the_sum_holds_while_a_batch_is_handled() -> None:
    """What is counted meanwhile shows when the batch is finished: until then its records are in flight."""
    metrics = Metrics()
    stage = metrics.stage("route", "all")
    with stage.batch(3):
        stage.count([Outcome("stale", "a", 1), Outcome("duplicate", "a", 2)])
        stage.ended["forwarded"] += 1
        assert conserved(metrics) == (3, 0, 3)
    assert conserved(metrics) == (3, 3, 0)
    with stage.batch(2):
        stage.held, stage.copies = 1, 1
    assert conserved(metrics) == (5, 4, 1)


async def test_batches_in_work_at_the_same_time_are_counted_apart() -> None:
    """Each shows when it ends; what a task that it started counts later shows at once."""
    metrics = Metrics()
    stage = metrics.stage("retry", "high")
    shown: list[tuple[float, float, float]] = []
    gates = [asyncio.Event() for _ in range(3)]

    async def later() -> None:
        await gates[2].wait()
        stage.ended["pushed"] += 1
        stage.held -= 1
        shown.append(conserved(metrics))

    async def batch(number: int) -> asyncio.Task[None]:
        with stage.batch(2):
            stage.held += 1
            stage.copies += 1
            await gates[number].wait()
            task = asyncio.create_task(later())
        shown.append(conserved(metrics))
        return task

    working = [asyncio.create_task(batch(number)) for number in range(2)]
    await asyncio.sleep(0)
    shown.append(conserved(metrics))
    for gate in reversed(gates[:2]):
        gate.set()
    tasks = [await task for task in working]
    gates[2].set()
    await asyncio.gather(*tasks)
    assert shown == [(4, 0, 4), (4, 1, 3), (4, 2, 2), (4, 3, 1), (4, 4, 0)]


def conserved(metrics: Metrics) -> tuple[float, float, float]:
    """Records taken, copies and ended, in flight."""
    series = scrape(metrics)

    def total(*names: str) -> float:
        return sum(value for (name, _), value in series.items() if name.removeprefix(PREFIX) in names)

    return total("records_total"), total("copies_total", "ended_total"), total("in_flight")


def test_numbers_are_read_when_somebody_asks() -> None:
    """Gauges and counters show the number of the moment of the scrape."""
    metrics = Metrics()
    now = [1.5]
    metrics.gauge("lag_records", "How far behind.", lambda: now[0])
    metrics.counter("gaps", "Holes.", lambda: now[0] * 2)
    assert scrape(metrics) == {(f"{PREFIX}lag_records", ()): 1.5, (f"{PREFIX}gaps_total", ()): 3}
    now[0] = 4
    assert scrape(metrics) == {(f"{PREFIX}lag_records", ()): 4, (f"{PREFIX}gaps_total", ()): 8}


def test_processes_do_not_share_a_registry() -> None:
    """Two collectors in one process, as tests have them, stay apart."""
    one, other = Metrics(), Metrics()
    one.gauge("x", "A number.", lambda: 1)
    assert scrape(other) == {}


def test_a_number_that_cannot_be_read_is_an_error_of_the_scrape() -> None:
    """It is not hidden as zero."""
    metrics = Metrics()
    metrics.gauge("x", "A number.", lambda: float("x"))
    with pytest.raises(ValueError, match="could not convert"):
        scrape(metrics)


def test_what_a_stage_may_decide_is_there_before_it_does() -> None:
    """A rate sees the first of its kind."""
    metrics = Metrics()
    metrics.stage("route", "all")
    kinds = {labels[1][1] for name, labels in scrape(metrics) if name == f"{PREFIX}outcomes_total"}
    assert kinds == {"stale", "duplicate", "conflict", "dead-lettered"}


def test_numbers_with_labels_and_histograms_are_exported() -> None:
    """With a series for each bucket, the count and the sum; and the release that runs."""
    metrics = Metrics()
    took = Histogram((0.5, 1.0))
    took.observe(0.7)
    metrics.levels("level", "A level.", ("lane",), lambda: {("high",): 3.0})
    metrics.labelled("probes", "A count.", ("lane",), lambda: {("high",): 2.0})
    metrics.histogram("took_seconds", "A time.", ("lane",), lambda: {("high",): took})
    build_info(metrics)
    found = scrape(metrics)
    high = (("lane", "high"),)
    assert found[f"{PREFIX}level", high] == 3.0
    assert found[f"{PREFIX}probes_total", high] == 2.0
    assert [found[f"{PREFIX}took_seconds_bucket", (*high, ("le", le))] for le in ("0.5", "1.0", "+Inf")] == [0, 1, 1]
    assert found[f"{PREFIX}took_seconds_sum", high] == 0.7
    assert [value for (name, _), value in found.items() if name == f"{PREFIX}build_info"] == [1.0]


def test_what_is_described_is_what_is_shown() -> None:
    """Each family with its kind and labels; nothing is read for it."""
    metrics = Metrics()
    assert list(metrics.described()) == []
    metrics.stage("route", "all").count([Outcome("stale", "a", 1)])
    metrics.gauge("level", "A level.", lambda: 1)
    metrics.counter("times", "Times.", lambda: 1)
    metrics.levels("levels", "Levels.", ("a",), lambda: {("x",): 1.0})
    metrics.labelled("counts", "Counts.", ("b", "c"), lambda: {("x", "y"): 1.0})
    metrics.histogram("took_seconds", "Time.", ("d",), lambda: {("x",): Histogram((1.0,))})
    shown = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in metrics.collect()
    }
    assert {(each.name, each.kind, each.meaning) for each in metrics.described()} == shown
    labels = {each.name: each.labels for each in metrics.described()}
    assert labels["lockstep_outcomes_total"] == ("stage", "lane", "outcome")
    assert labels["lockstep_counts_total"] == ("b", "c")
    assert labels["lockstep_level"] == ()
