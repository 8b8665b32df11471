"""A trace as lines for people, and as one JSON object for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from edge.oncall.fates import Fate
from edge.oncall.passage import Step
from edge.oncall.trace import Trace
from edge.oncall.verdicts import Verdict
from sinks.content import timestamp


def as_object(trace: Trace) -> bytes:
    """`as_builtins` as JSON."""
    return msgspec.json.encode(as_builtins(trace))


def as_builtins(trace: Trace) -> dict[str, Any]:
    """One object: times in RFC 3339, `ms` after the append in `ingest`; no payload."""
    built: dict[str, Any] = msgspec.to_builtins(trace)
    built["appended"] = timestamp(trace.appended)
    built["expires"] = timestamp(trace.expires) if trace.expires >= 0 else None
    if trace.event is not None:
        event = built["event"]
        del event["payload"]
        event["time"] = timestamp(trace.event.time)
        event["expires"] = None if trace.event.expires is None else timestamp(trace.event.expires)
    return built


def lines(trace: Trace) -> Iterator[str]:
    """The event, its stages in the order of time, its devices, and what that comes to."""
    event = trace.event
    what = f"{event.type}  id {event.id}  source {event.source}" if event else "not an event"
    yield f"{what}  account {trace.account}"
    if event:
        yield f"  happened {timestamp(event.time)}, appended {timestamp(trace.appended)}"
    lane = f", lane {trace.lane}, readable until {timestamp(trace.expires)}" if trace.lane else ""
    yield f"  ingest {trace.partition}:{trace.offset}{lane}"
    if trace.notification:
        yield f"  notification {trace.notification}"
    yield from map(_gate, trace.gates)
    yield from map(_step, trace.steps)
    yield from map(_device, trace.devices)
    yield from (f"  {text}" for text in trace.unread)
    copies = f"; {trace.copies} copies made by replays" if trace.copies else ""
    yield f"  {trace.verdict}{copies}"


def _gate(verdict: Verdict) -> str:
    return f"  {verdict.stage:<8}{verdict.gate:<11} {'passed' if verdict.passed else 'REFUSED'}: {verdict.detail}"


def _step(step: Step) -> str:
    parts = [f"{step.ms:+8d} ms  {step.stage:<8}{step.what}"]
    parts += [step.where] if step.where else []
    parts += [f"for {', '.join(step.devices)}"] if step.devices else []
    parts += [f"({step.detail})"] if step.detail else []
    return " ".join(parts)


def _device(fate: Fate) -> str:
    after = f" after {fate.ms} ms" if fate.ms >= 0 else ""
    code = f", {fate.code}" if fate.code else ""
    detail = f" ({fate.detail})" if fate.detail else ""
    return f"  device {fate.device:<16} {fate.outcome}{after}{code}{detail}"
