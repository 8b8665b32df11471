"""The verdict of every gate that an event came to, with the numbers that decided.

A refusal is told by its outcome. A pass leaves no record: it is judged again by what the stage saw, which is in the
record that it read and in topics.yaml; where either has changed since, the numbers are those of now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from agents.gates import deadline_of
from streams.envelope import Envelope
from streams.event import Event
from streams.limits import Limits
from streams.outcomes import Kind, Outcome
from streams.policies import Policy, policies
from streams.targets import Predicate, narrow
from streams.topology import Topology

#: The gate that speaks by an outcome; a dead letter's gate is told by its reason.
_GATES: Final[Mapping[Kind, str]] = {
    "stale": "age", "duplicate": "duplicates", "conflict": "duplicates", "superseded": "superseded", "merged": "merge",
    "no-target": "target",
}  # fmt: skip
_REASONS: Final = {
    "oversized": "size", "future-dated": "future", "wrong-partition": "partition", "unknown-type": "type",
}  # fmt: skip


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate of a stage said of the event, and why; `passed` is false for the one that ended it."""

    stage: str
    gate: str
    passed: bool
    detail: str


class Said(NamedTuple):
    """An outcome of the event as a whole, and the stage that said it."""

    stage: str
    outcome: Outcome


class Way(NamedTuple):
    """How far the event came: its envelopes, and when each was appended (ms, -1: it was not)."""

    size: int
    appended: int
    routed: Envelope | None
    routed_at: int
    notified: Envelope | None
    notified_at: int


def verdicts(
    topology: Topology, limits: Limits, event: Event | None, way: Way, said: Sequence[Said]
) -> Iterator[Verdict]:
    """The gates in the order in which the event came to them, up to the one that ended it or to where it is now."""
    policy = policies(topology).get(event.type) if event else None
    if event is not None and policy is not None:
        route = list(_route(topology, limits, event, policy, way))
        yield from _until("route", route, said, way.routed is not None)
    else:
        yield from _until("route", [], said, way.routed is not None)
    if way.routed is not None:
        notify = list(_notify(topology, policy, way.routed, way.routed_at))
        yield from _until("notify", notify, said, way.notified is not None)
    if way.notified is not None:
        yield from _until("store", [_life(way.notified, way.notified_at)], said, not _of("store", said))


def _until(stage: str, gates: Iterable[tuple[str, str]], said: Sequence[Said], went_on: bool) -> Iterator[Verdict]:
    """Gates that passed; the one that refused is the last. Nothing for a stage that has not decided yet."""
    refused = None if went_on else _of(stage, said)
    if not went_on and refused is None:
        return
    last = _gate(refused) if refused is not None else None
    for gate, detail in gates:
        if gate == last:
            break
        yield Verdict(stage=stage, gate=gate, passed=True, detail=detail)
    if refused is not None and last is not None:
        yield Verdict(stage=stage, gate=last, passed=False, detail=refused.detail or refused.kind)


def _of(stage: str, said: Sequence[Said]) -> Outcome | None:
    return next((outcome for name, outcome in said if name == stage), None)


def _gate(outcome: Outcome) -> str:
    if outcome.kind == "dead-lettered":
        return _REASONS.get(outcome.detail.partition(":")[0], "event")
    return _GATES.get(outcome.kind, outcome.kind)


def _route(topology: Topology, limits: Limits, event: Event, policy: Policy, way: Way) -> Iterator[tuple[str, str]]:
    yield "event", f"type {event.type}, use case {policy.use_case}"
    yield "size", f"{way.size} bytes, limit {limits.event_bytes}"
    tolerance = int(limits.future_tolerance * 1000)
    yield "future", f"{max(0, event.time - way.appended)} ms ahead, tolerance {tolerance} ms"
    yield "age", _age(way.appended, event.time, deadline_of(event, policy))
    yield "partition", "of its account"
    table = topology.tables.get("seen")
    yield "duplicates", f"no other event with this id in {table.window}" if table else "not looked for"


def _notify(topology: Topology, policy: Policy | None, routed: Envelope, at: int) -> Iterator[tuple[str, str]]:
    yield "age", _age(at, routed.time, routed.deadline)
    yield "target", _target(topology, policy, routed.target)
    if routed.collapse_key:
        version = f"version {routed.revision}" if routed.revision >= 0 else f"time {routed.time}"
        yield "superseded", f"collapse key {routed.collapse_key}, {version}: none newer"
    else:
        yield "superseded", "no collapse key"


def _target(topology: Topology, policy: Policy | None, wanted: Predicate) -> str:
    found = narrow(wanted, policy.types, policy.least) if policy else wanted
    types = found.types if found else 0
    names = [name for name in topology.device_types if not types or topology.type_bit(name) & types]
    parts = [", ".join(names)]
    parts += [f"only {', '.join(wanted.ids)}"] if wanted.ids else []
    parts += [f"not {wanted.origin}, its origin"] if wanted.origin else []
    return "; ".join(parts)


def _life(notified: Envelope, at: int) -> tuple[str, str]:
    left = notified.expires - at
    return "life", f"{left} ms to be read, {notified.deadline - at} ms to be pushed"


def _age(at: int, time: int, deadline: int) -> str:
    return f"age {at - time} ms, limit {deadline - time} ms"
