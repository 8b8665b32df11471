"""Objectives by lane, and the burn rates at which somebody is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from streams.metrics import LATENCY


class Objective(NamedTuple):
    """Of the devices reached, this part within so many seconds of the event, over 30 days."""

    seconds: float
    part: float

    @property
    def budget(self) -> float:
        """The part that may be slower."""
        return 1 - self.part

    @property
    def edge(self) -> str:
        """The bucket of the latency histogram that ends there."""
        return repr(float(self.seconds))


class Burn(NamedTuple):
    """A budget that is used up so many times as fast as it may, over both windows."""

    long: str
    short: str
    times: float
    severity: str


OBJECTIVES: Final = {
    "critical": Objective(0.5, 0.999),
    "high": Objective(1.0, 0.999),
    "normal": Objective(2.0, 0.995),
    "low": Objective(10.0, 0.99),
}
#: Site Reliability Workbook, chapter 5: 2 %, 5 % and 10 % of the budget of 30 days.
BURNS: Final = (
    Burn("1h", "5m", 14.4, "page"),
    Burn("6h", "30m", 6.0, "page"),
    Burn("3d", "6h", 1.0, "ticket"),
)
WINDOWS: Final = ("5m", "30m", "1h", "6h", "3d")


class NoObjective(Exception):
    """A lane of topics.yaml without an objective, or one that no bucket ends at: its alerts would be blind."""


def objectives(lanes: Iterable[str]) -> dict[str, Objective]:
    """The objective of each lane. Raises NoObjective."""
    found = {}
    for lane in lanes:
        if lane not in OBJECTIVES or OBJECTIVES[lane].seconds not in LATENCY:
            raise NoObjective(f"lane {lane}: give it an objective in {__name__}, at one of {LATENCY}")
        found[lane] = OBJECTIVES[lane]
    return found
