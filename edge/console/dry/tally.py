"""What is told of events that were judged twice: counts, delays and a few examples, however many they are."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from edge.console.dry.sample import Sample
from streams.record import Record

EXAMPLES: Final = 20


class End(NamedTuple):
    """What became of an event, why, and for how long it waits until the merge window of its lane ends, ms.

    `lane` is -1 where it came to none; then it waits for nothing, None.
    """

    kind: str
    lane: int
    why: str
    held: int | None


class Twice(NamedTuple):
    """An event of the use case, judged by the rules of now and by the others."""

    record: Record
    now: End
    then: End


class Tally:
    """What is told of the events of all partitions; of a few that differ, what they are."""

    def __init__(self, since: int) -> None:
        self.events = self.changed = self.left_out = self.partitions_cut = 0
        self.now, self.then = Side(), Side()
        self._oldest = math.inf
        self._since = since
        self._examples: list[dict[str, Any]] = []

    def add(self, pairs: Iterable[Twice], sample: Sample, shown: Callable[[int, Twice], dict[str, Any]]) -> None:
        """One partition more; `shown` makes examples."""
        self.left_out += sample.left_out
        self.partitions_cut += sample.left_out > 0
        differing = deque[Twice](maxlen=EXAMPLES)
        for pair in pairs:
            self.events += 1
            self._oldest = min(self._oldest, pair.record.timestamp)
            self.now.add(pair.now)
            self.then.add(pair.then)
            if (pair.now.kind, pair.now.lane) != (pair.then.kind, pair.then.lane):
                self.changed += 1
                differing.append(pair)
        self._examples += [shown(sample.partition, pair) for pair in differing]
        self._examples = sorted(self._examples, key=lambda each: each["event"]["at"])[-EXAMPLES:]

    def told(self, until: int, partitions: int) -> dict[str, Any]:
        """The answer. `window` is that of the events, `asked` what was asked for."""
        return {
            "events": self.events,
            "changed": self.changed,
            "window": {"from": self._oldest if self.events else self._since, "to": until},
            "asked": {"from": self._since, "to": until},
            "left_out": {"records": self.left_out, "partitions": self.partitions_cut, "of": partitions},
            "now": self.now.counts(),
            "then": self.then.counts(),
            "delay_ms": {"now": self.now.delays(), "then": self.then.delays()},
            "examples": self._examples,
        }


class Side:
    """What becomes of events by one set of rules."""

    def __init__(self) -> None:
        self._kinds = Counter(dict.fromkeys(("delivered", "stale", "duplicate", "merged", "superseded"), 0))
        self._held: list[int] = []

    def add(self, end: End) -> None:
        """One event more."""
        self._kinds[end.kind] += 1
        if end.held is not None:
            self._held.append(end.held)

    def counts(self) -> dict[str, int]:
        """How many ended in which way."""
        return dict(self._kinds)

    def delays(self) -> dict[str, int]:
        """For how long they wait until the merge window of their lane ends, ms."""
        held = sorted(self._held)
        if not held:
            return {"p50": 0, "p99": 0, "max": 0}
        return {"p50": held[len(held) // 2], "p99": held[min(len(held) - 1, len(held) * 99 // 100)], "max": held[-1]}
