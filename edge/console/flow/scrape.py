"""What is read of a worker's metrics. Pure."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from streams.outcomes import EVENT_LEVEL

_LINE: Final = re.compile(
    r"^lockstep_(records_total|copies_total|in_flight|ended_total|stage_lag_records"
    r"|oldest_unprocessed_event_age_seconds|start_time_seconds|edge_sessions|edge_delivered_total)"
    r"(?:\{([^}]*)\})? (\S+)$",
    re.MULTILINE,
)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')

#: A stage and its lane, `all` where it has none.
At = tuple[str, str]


class Counts(msgspec.Struct):
    """Of one stage in one process."""

    records: float = 0
    copies: float = 0
    in_flight: float = 0
    lag: float = 0
    oldest: float = 0
    ended: dict[str, float] = msgspec.field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Records that were taken and of which nobody says what became of them; 0: conservation holds."""
        return round(self.records - self.copies - self.in_flight - sum(self.ended.values()))


class Scrape(msgspec.Struct):
    """Of one process at `at`, s of the monotonic clock. `started`: when it did, s since 1970."""

    at: float
    started: float = 0
    sessions: float = 0
    delivered: float = 0
    stages: dict[At, Counts] = msgspec.field(default_factory=dict)


_FIELDS: Final = {
    "records_total": "records", "copies_total": "copies", "in_flight": "in_flight", "stage_lag_records": "lag",
    "oldest_unprocessed_event_age_seconds": "oldest",
}  # fmt: skip
_OWN: Final = {"start_time_seconds": "started", "edge_sessions": "sessions", "edge_delivered_total": "delivered"}


def parse(text: str, at: float) -> Scrape:
    """The numbers of a page of metrics. Raises ValueError for one that is none."""
    scrape = Scrape(at)
    for name, labels, number in _LINE.findall(text):
        value = float(number)
        if name in _OWN:
            setattr(scrape, _OWN[name], value)
            continue
        known = dict(_LABEL.findall(labels))
        counts = scrape.stages.setdefault((known.get("stage", ""), known.get("lane", "")), Counts())
        if name == "ended_total":
            counts.ended[known.get("end", "")] = value
        else:
            setattr(counts, _FIELDS[name], value)
    return scrape


class Pace(msgspec.Struct):
    """What a stage did between two scrapes, over all processes of its worker. A second each, but lag and age."""

    rate: float = 0
    lag: float = 0
    oldest: float = 0
    drops: dict[str, float] = msgspec.field(default_factory=dict)

    def add(self, before: Counts | None, now: Counts, seconds: float) -> None:
        """Add a process; `before` is of the same life of it, None where there was no scrape yet."""
        self.lag += now.lag
        self.oldest = max(self.oldest, now.oldest)
        if before is None or seconds <= 0:
            return
        self.rate += max(0.0, now.records - now.copies - before.records + before.copies) / seconds
        for end in EVENT_LEVEL & now.ended.keys():
            dropped = now.ended[end] - before.ended.get(end, 0)
            if dropped > 0:
                self.drops[end] = self.drops.get(end, 0) + dropped / seconds
