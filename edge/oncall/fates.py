"""What became of an event for each targeted device, of all that was said about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from streams.outcomes import DEVICE_LEVEL, RANGES, Code, Kind

#: What is known of a device, least first; of several the last stands.
RANK: Final[tuple[Kind, ...]] = ("stored", "undeliverable", "pushed", "expired", "accepted", "pulled", "acked")
_DELIVERED: Final = frozenset[Kind](("acked", "pulled", "accepted"))
_TARGETED: Final = frozenset[Kind](("stored", "pushed", "undeliverable", "accepted", "expired"))


class Mark(NamedTuple):
    """One word about one device: said by `stage` in a record appended at `at`, ms."""

    device: str
    kind: Kind
    at: int
    stage: str
    detail: str = ""
    code: Code | Literal[""] = ""


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for a device; `ms` after the event's append in `ingest`, -1 where time alone decided.

    `code`: the last that the device gave of it, if any.
    """

    device: str
    outcome: Kind
    ms: int
    stage: str
    detail: str = ""
    code: Code | Literal[""] = ""

    @property
    def terminal(self) -> bool:
        """Whether nothing more can come."""
        return self.outcome in DEVICE_LEVEL

    @property
    def delivered(self) -> bool:
        """Whether the device, or the provider that tells no more, has it."""
        return self.outcome in _DELIVERED


def fold(marks: Iterable[Mark], targets: Iterable[str], appended: int, expires: int, now: int) -> list[Fate]:
    """The highest-ranking word about each targeted device, its first where there are several.

    `targets` are targeted whatever the marks say. `expires` (ms, -1 unknown): a device that was not pushed to cannot
    have read the event later than that, though its cursor passes it; not fetched by then, `now`, it is expired.
    """
    by_device: dict[str, list[Mark]] = {device: [] for device in targets}
    marks = list(marks)
    for mark in marks:
        if mark.kind in _TARGETED:
            by_device.setdefault(mark.device, [])
    for mark in marks:
        if mark.device in by_device:
            by_device[mark.device].append(mark)
    return [_fate(device, said, appended, expires, now) for device, said in sorted(by_device.items())]


def _fate(device: str, marks: list[Mark], appended: int, expires: int, now: int) -> Fate:
    pushed = any(mark.kind == "pushed" for mark in marks)
    counted = [mark for mark in marks if pushed or mark.code or not passed_over(mark.kind, mark.at, expires)]
    best = max(counted, key=lambda mark: (RANK.index(mark.kind), -mark.at), default=None)
    if (best is None or best.kind not in DEVICE_LEVEL) and 0 <= expires < now:
        return Fate(device=device, outcome="expired", ms=-1, stage="", detail="never fetched")
    if best is None:
        return Fate(device=device, outcome="stored", ms=-1, stage="")
    last = max(reversed(counted), key=lambda mark: (bool(mark.code), mark.at))
    ms = best.at - appended
    return Fate(device=device, outcome=best.kind, ms=ms, stage=best.stage, detail=best.detail, code=last.code)


def passed_over(kind: Kind, at: int, expires: int) -> bool:
    """Whether a word of `at` about a device that was not pushed to only means that its cursor passed the end."""
    return kind in RANGES and 0 <= expires < at
