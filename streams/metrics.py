"""Metrics: plain integers counted per batch, turned into Prometheus families when somebody asks."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from streams.outcomes import EVENT_LEVEL, Outcome

PREFIX: Final = "lockstep_"


#: Outcomes that are all that a stage does with a record: one for each.
_ENDS: Final = EVENT_LEVEL | {"stored"}


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
        self.copies = 0
        self.batches = 0
        self.held = 0  # records that wait in the stage until it decides what becomes of them
        self.outcomes: Counter[str] = Counter()
        self.forwarded: Counter[str] = Counter()  # records put, by the kind of topic
        self.ended: Counter[str] = Counter()  # records taken, by the one thing that became of each
        self._lock = threading.Lock()
        self._before: Sums | None = None

    def begin(self, records: int) -> None:
        """A batch was taken. What is counted from now on shows when it is finished: until then it is in flight."""
        with self._lock:
            before = self._sums()
            self.records += records
            self._before = before._replace(records=self.records, in_flight=before.in_flight + records)

    def finish(self) -> None:
        """The batch is handled."""
        with self._lock:
            self.batches += 1
            self._before = None

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Add the outcomes of a batch: one for each device, or one for the event."""
        for outcome in outcomes:
            self.outcomes[outcome.kind] += len(outcome.devices) or 1
            if outcome.kind in _ENDS:
                self.ended[outcome.kind] += 1

    def sums(self) -> Sums:
        """What to show: in it the sum holds."""
        with self._lock:
            return self._before or self._sums()

    def _sums(self) -> Sums:
        counts = (dict(self.outcomes), dict(self.forwarded), dict(self.ended))
        return Sums(self.records, self.copies, self.batches, self.held, *counts)


class Metrics(Collector):
    """One collector for all of a process."""

    def __init__(self) -> None:
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
                for kind, number in sum((Counter(split(one)) for one in sums), Counter[str]()).items():
                    family.add_metric([*at, kind], number)
            yield family
        yield from self._numbers()

    def _numbers(self) -> Iterator[Metric]:
        for name, (meaning, read) in self.gauges.items():
            yield GaugeMetricFamily(PREFIX + name, meaning, value=_number(read))
        for name, (meaning, read) in self.counters.items():
            yield CounterMetricFamily(PREFIX + name, meaning, value=_number(read))


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


def _number(read: Callable[[], Any]) -> float:
    return float(read())
