"""Metrics: plain integers counted per batch, turned into Prometheus families when somebody asks."""

from __future__ import annotations

import platform
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from operator import attrgetter
from typing import Any, Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from streams.age import Age
from streams.histogram import Histogram
from streams.outcomes import EVENT_LEVEL, Outcome
from streams.tally import Tally, current

PREFIX: Final = "lockstep_"


#: Outcomes that are all that a stage does with a record: one for each.
_ENDS: Final = EVENT_LEVEL | {"stored"}
#: What each stage may decide, shown from the start: a rate sees the first one only where there was a zero before.
_DECIDES: Final[dict[str, tuple[str, ...]]] = {
    "route": ("stale", "duplicate", "conflict", "dead-lettered"),
    "notify": ("stale", "superseded", "merged", "no-target"),
    "store": ("stored",),
    "push": ("pushed", "undeliverable"),
}
#: Upper ends of the buckets of a latency, s; each objective of docs/runbooks.md is one of them.
LATENCY: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Sums(NamedTuple):
    """What a stage took and what became of it: records = copies + the sum of `ended` + in_flight."""

    records: int
    copies: int
    batches: int
    in_flight: int
    outcomes: dict[str, int]
    forwarded: dict[str, int]
    ended: dict[str, int]


class StageMetrics:
    """Counts of one agent of one worker. Written by it, read by the metrics thread."""

    def __init__(self, stage: str, lane: str) -> None:
        self.stage = stage
        self.lane = lane
        self.records = 0
        self.batches = 0
        self.age = Age()
        self.latency = Histogram(LATENCY)  # of pushes: from the time of the event to the platform's word, s
        self._total = Tally(_DECIDES.get(stage, ()))
        self._working = 0  # records of batches in work
        self._lock = threading.Lock()

    @contextmanager
    def batch(self, records: int) -> Iterator[None]:
        """Count a batch. What is counted in it shows when it is finished: until then, or where it fails, its records
        are in flight."""
        tally = Tally()
        token = current.set(tally)
        with self._lock:
            self.records += records
            self._working += records
        yield
        current.reset(token)
        with self._lock:
            self._total.add(tally)
            self._working -= records
            self.batches += 1

    @property
    def _tally(self) -> Tally:
        tally = current.get()
        return self._total if tally is None or tally.over else tally

    @property
    def outcomes(self) -> Counter[str]:
        """Outcomes decided, by kind: those of the batch in work, outside of one all."""
        return self._tally.outcomes

    @property
    def forwarded(self) -> Counter[str]:
        """Records put, by the kind of topic."""
        return self._tally.forwarded

    @property
    def ended(self) -> Counter[str]:
        """Records taken, by the one thing that became of each."""
        return self._tally.ended

    @property
    def copies(self) -> int:
        """Records dropped by the replay watermark."""
        return self._tally.copies

    @copies.setter
    def copies(self, copies: int) -> None:
        self._tally.copies = copies

    @property
    def held(self) -> int:
        """Records that wait in the stage until it decides what becomes of them."""
        return self._tally.held

    @held.setter
    def held(self, held: int) -> None:
        self._tally.held = held

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Add the outcomes of a batch: one for each device, or one for the event."""
        tally = self._tally
        for outcome in outcomes:
            tally.outcomes[outcome.kind] += len(outcome.devices) or 1
            if outcome.kind in _ENDS:
                tally.ended[outcome.kind] += 1

    def sums(self) -> Sums:
        """What to show: in it the sum holds."""
        with self._lock:
            total = self._total
            in_flight = self._working + total.held
            counts = (dict(total.outcomes), dict(total.forwarded), dict(total.ended))
            return Sums(self.records, total.copies, self.batches, in_flight, *counts)


Labels = tuple[str, ...]
#: Name, meaning, names of labels, what gives the numbers by the values of the labels.
Family = tuple[str, str, Labels, Callable[[], Mapping[Labels, float]]]


class Described(NamedTuple):
    """A family as a page of reference shows it: its name in a scrape, gauge, counter or histogram, labels, meaning."""

    name: str
    kind: str
    labels: Labels
    meaning: str


class Metrics(Collector):
    """One collector for all of a process."""

    def __init__(self) -> None:
        self._levels: list[Family] = []
        self._counts: list[Family] = []
        self._histograms: list[tuple[str, str, Labels, Callable[[], Mapping[Labels, Histogram]]]] = []
        self.stages: list[StageMetrics] = []
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.counters: dict[str, tuple[str, Callable[[], float]]] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def stage(self, stage: str, lane: str) -> StageMetrics:
        """The counts of an agent, exported from now on; agents of one stage and lane show as one."""
        made = StageMetrics(stage, lane)
        self.stages.append(made)
        return made

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Export a number that `read` gives, called from the metrics thread."""
        self.gauges[name] = meaning, read

    def counter(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Export a number that only rises, `_total` is added to its name."""
        self.counters[name] = meaning, read

    def levels(self, name: str, meaning: str, labels: Labels, read: Callable[[], Mapping[Labels, float]]) -> None:
        """Export numbers that rise and fall, by their labels."""
        self._levels.append((name, meaning, labels, read))

    def labelled(self, name: str, meaning: str, labels: Labels, read: Callable[[], Mapping[Labels, float]]) -> None:
        """Export numbers that only rise, by their labels; all of them are there from the start."""
        self._counts.append((name, meaning, labels, read))

    def histogram(
        self, name: str, meaning: str, labels: Labels, read: Callable[[], Mapping[Labels, Histogram]]
    ) -> None:
        """Export histograms by their labels."""
        self._histograms.append((name, meaning, labels, read))

    def described(self) -> Iterator[Described]:
        """What is exported so far; no number is read. Those of the stages come with the first of them."""
        for name, (meaning, _) in _NUMBERS.items() if self.stages else ():
            yield _described(name, "gauge" if name == "in_flight" else "counter", ("stage", "lane"), meaning)
        for name, (meaning, label, _) in _SPLIT.items() if self.stages else ():
            yield _described(name, "counter", ("stage", "lane", label), meaning)
        for kind, numbers in (("gauge", self.gauges), ("counter", self.counters)):
            for name, (meaning, _) in numbers.items():
                yield _described(name, kind, (), meaning)
        for kind, families in (("gauge", self._levels), ("counter", self._counts), ("histogram", self._histograms)):
            for name, meaning, labels, _ in families:
                yield _described(name, kind, labels, meaning)

    def collect(self) -> Iterator[Metric]:
        """All families, for prometheus_client."""
        totals: dict[tuple[str, str], list[Sums]] = {}
        for stage in self.stages:
            totals.setdefault((stage.stage, stage.lane), []).append(stage.sums())
        for name, (meaning, read) in _NUMBERS.items():
            family = (GaugeMetricFamily if name == "in_flight" else CounterMetricFamily)(
                PREFIX + name, meaning, labels=["stage", "lane"]
            )
            for at, sums in totals.items():
                family.add_metric(at, sum(map(read, sums)))
            yield family
        for name, (meaning, label, split) in _SPLIT.items():
            family = CounterMetricFamily(PREFIX + name, meaning, labels=["stage", "lane", label])
            for at, sums in totals.items():
                for kind, number in _added(map(split, sums)).items():
                    family.add_metric([*at, kind], number)
            yield family
        yield from self._numbers()

    def _numbers(self) -> Iterator[Metric]:
        for name, (meaning, read) in list(self.gauges.items()):  # stores add theirs once they are open
            yield GaugeMetricFamily(PREFIX + name, meaning, value=_number(read))
        for name, (meaning, read) in list(self.counters.items()):
            yield CounterMetricFamily(PREFIX + name, meaning, value=_number(read))
        for kind, families in ((GaugeMetricFamily, self._levels), (CounterMetricFamily, self._counts)):
            for name, meaning, labels, numbers in families:
                family = kind(PREFIX + name, meaning, labels=labels)
                for values, number in numbers().items():
                    family.add_metric(values, number)
                yield family
        for name, meaning, labels, histograms in self._histograms:
            shown = HistogramMetricFamily(PREFIX + name, meaning, labels=labels)
            for values, each in histograms().items():
                shown.add_metric(values, each.buckets(), each.sum)
            yield shown


_NUMBERS: Final[dict[str, tuple[str, Callable[[Sums], int]]]] = {
    "records": ("Records that a stage took: copies + ended + in flight.", attrgetter("records")),
    "copies": ("Records dropped by the replay watermark.", attrgetter("copies")),
    "batches": ("Batches that a stage finished.", attrgetter("batches")),
    "in_flight": ("Records taken of which it is not decided what becomes of them.", attrgetter("in_flight")),
}
_SPLIT: Final[dict[str, tuple[str, str, Callable[[Sums], dict[str, int]]]]] = {
    "outcomes": ("Outcomes that a stage decided, by kind.", "outcome", attrgetter("outcomes")),
    "forwarded": ("Records that a stage put, by the kind of topic.", "topic", attrgetter("forwarded")),
    "ended": ("Records that a stage took, by the one thing that became of each.", "end", attrgetter("ended")),
}


def _added(counts: Iterable[dict[str, int]]) -> Counter[str]:
    """The sum by kind; unlike that of counters it keeps zeros."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _described(name: str, kind: str, labels: Labels, meaning: str) -> Described:
    return Described(PREFIX + name + ("_total" if kind == "counter" else ""), kind, labels, meaning)


def build_info(metrics: Metrics) -> None:
    """Export which release runs, on which Python."""
    at = (version("lockstep"), platform.python_version())
    metrics.levels("build_info", "Always 1; the release is in the labels.", ("version", "python"), lambda: {at: 1.0})


def _number(read: Callable[[], Any]) -> float:
    return float(read())
