"""Metrics: plain integers counted per batch, turned into Prometheus families when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from streams.outcomes import Outcome

PREFIX = "lockstep_"


class StageMetrics:
    """Counts of one stage of one worker. Written by its agent, read by the metrics thread."""

    def __init__(self, stage: str, lane: str) -> None:
        self.stage = stage
        self.lane = lane
        self.records = 0
        self.copies = 0
        self.ticks = 0  # of the records read, which `records` leaves out
        self.batches = 0
        self.outcomes: Counter[str] = Counter()

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Add the outcomes of a batch: one for each device, or one for the event."""
        for outcome in outcomes:
            self.outcomes[outcome.kind] += len(outcome.devices) or 1


class Metrics(Collector):
    """One collector for all of a process."""

    def __init__(self) -> None:
        self.stages: list[StageMetrics] = []
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.counters: dict[str, tuple[str, Callable[[], float]]] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def stage(self, stage: str, lane: str) -> StageMetrics:
        """The counts of a stage, exported from now on; the same for all of its agents in a lane."""
        for made in self.stages:
            if (made.stage, made.lane) == (stage, lane):
                return made
        made = StageMetrics(stage, lane)
        self.stages.append(made)
        return made

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Export a number that `read` gives, called from the metrics thread."""
        self.gauges[name] = meaning, read

    def counter(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Export a number that only rises, `_total` is added to its name."""
        self.counters[name] = meaning, read

    def collect(self) -> Iterator[Metric]:
        """All families, for prometheus_client."""
        labels = ["stage", "lane"]
        records = CounterMetricFamily(PREFIX + "records", "Records that a stage took from its topic.", labels=labels)
        copies = CounterMetricFamily(PREFIX + "copies", "Records dropped by the replay watermark.", labels=labels)
        batches = CounterMetricFamily(PREFIX + "batches", "Batches that a stage finished.", labels=labels)
        outcomes = CounterMetricFamily(
            PREFIX + "outcomes", "Outcomes that a stage decided, by kind.", labels=[*labels, "outcome"]
        )
        for stage in self.stages:
            at = [stage.stage, stage.lane]
            records.add_metric(at, stage.records)
            copies.add_metric(at, stage.copies)
            batches.add_metric(at, stage.batches)
            for kind, number in list(stage.outcomes.items()):
                outcomes.add_metric([*at, kind], number)
        yield from (records, copies, batches, outcomes)
        yield from self._numbers()

    def _numbers(self) -> Iterator[Metric]:
        for name, (meaning, read) in self.gauges.items():
            yield GaugeMetricFamily(PREFIX + name, meaning, value=_number(read))
        for name, (meaning, read) in self.counters.items():
            yield CounterMetricFamily(PREFIX + name, meaning, value=_number(read))


def _number(read: Callable[[], Any]) -> float:
    return float(read())
