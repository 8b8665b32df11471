"""Objectives by lane, and the burn rates at which somebody is told."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import msgspec

from deploy.chart.kinds import Group


class Objective(Group):
    """Of the devices reached by a push, this part within so long of the event, over 30 days.

    seconds: Time within which a device is reached, s; a bucket of `lockstep_end_to_end_latency_seconds` ends there.
    percent: Part of the devices that is to be reached within it, %.
    """

    seconds: float
    percent: Annotated[float, msgspec.Meta(ge=1, le=99.999)]


class Burn(NamedTuple):
    """A budget that is used up so many times as fast as it may, over both windows."""

    long: str
    short: str
    times: float
    severity: str


#: Of the lanes as shipped.
OBJECTIVES: Final = {
    "critical": Objective(seconds=0.5, percent=99.9),
    "high": Objective(seconds=1.0, percent=99.9),
    "normal": Objective(seconds=2.0, percent=99.5),
    "low": Objective(seconds=10.0, percent=99.0),
}
#: Site Reliability Workbook, chapter 5: 2 %, 5 % and 10 % of the budget of 30 days.
BURNS: Final = (
    Burn("1h", "5m", 14.4, "page"),
    Burn("6h", "30m", 6.0, "page"),
    Burn("3d", "6h", 1.0, "ticket"),
)
WINDOWS: Final = ("5m", "30m", "1h", "6h", "3d")
