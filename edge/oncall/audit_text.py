"""An audit as a table for people, and as one JSON object for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from edge.oncall.audit import Audit, DeviceSums, StageSums
from sinks.content import timestamp

_STAGES: Final = ("route", "notify", "store")
_FATES: Final = ("acked", "pulled", "accepted", "expired", "waiting")


def as_object(audit: Audit, since: int, until: int) -> bytes:
    """One JSON object: the range, the sums, and every defect."""
    return msgspec.json.encode({
        "from": timestamp(since), "to": timestamp(until), "events": audit.events, "ends": audit.ends,
        "stages": _stages(audit), "devices": list(audit.devices.values()), "copies": audit.copies,
        "defects": audit.defects, "broken": len(audit.defects),
    })  # fmt: skip


def lines(audit: Audit, since: int, until: int, lanes: Sequence[str]) -> Iterator[str]:
    """The sums by stage and lane, the devices by lane, every defect, and what that comes to."""
    yield f"{audit.events} events of {timestamp(since)} to {timestamp(until)}"
    yield f"{'stage':14} {'lane':10} {'in':>9} {'forwarded':>9} {'outcomes':>9} {'in flight':>9} {'missing':>9}"
    yield from (_stage(sums) for sums in _stages(audit, lanes))
    if audit.devices:
        yield f"{'devices':14} {'lane':10} {'targeted':>9} " + " ".join(f"{fate:>9}" for fate in _FATES)
        yield from (_devices(sums) for sums in sorted(audit.devices.values(), key=lambda sums: _rank(sums.lane, lanes)))
    if audit.copies.total():
        yield "copies, made by replays: " + ", ".join(f"{topic} {n}" for topic, n in sorted(audit.copies.items()) if n)
    yield from (f"! {defect.partition}:{_offset(defect.offset)} {defect.what}" for defect in audit.defects)
    yield verdict(audit)


def verdict(audit: Audit) -> str:
    """The audit in one line."""
    if audit.whole:
        flight, waiting = audit.ends["in flight"], sum(sums.waiting for sums in audit.devices.values())
        return f"conserved: every event has its outcome; {flight} in flight, {waiting} devices have not fetched yet"
    return f"broken: {len(audit.defects)} defects"


def _stages(audit: Audit, lanes: Sequence[str] = ()) -> list[StageSums]:
    def order(sums: StageSums) -> tuple[int, int]:
        number = _STAGES.index(sums.stage) if sums.stage in _STAGES else len(_STAGES)
        return number, _rank(sums.lane, lanes)

    return sorted(audit.stages.values(), key=order)


def _rank(lane: str, lanes: Sequence[str]) -> int:
    return lanes.index(lane) if lane in lanes else len(lanes)


def _stage(sums: StageSums) -> str:
    forwarded, outcomes = sum(sums.forwarded.values()), sum(sums.outcomes.values())
    said = ", ".join(f"{kind} {number}" for kind, number in sums.outcomes.items())
    numbers = (sums.taken, forwarded, outcomes, sums.in_flight, sums.missing)
    return f"{sums.stage:14} {sums.lane:10} " + " ".join(f"{n:>9}" for n in numbers) + (f"  ({said})" if said else "")


def _devices(sums: DeviceSums) -> str:
    return f"{'':14} {sums.lane:10} {sums.targeted:>9} " + " ".join(f"{getattr(sums, fate):>9}" for fate in _FATES)


def _offset(offset: int) -> str:
    return "?" if offset < 0 else str(offset)
