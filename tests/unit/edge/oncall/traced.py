"""One event, and the records that stages make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edge.oncall.passage import Passage, subject
from edge.oncall.trace import Letters, Reports, Trace, assemble
from streams.envelope import VERSION, Envelope, Push, decode_envelope, decode_push, encode, position
from streams.outcomes import Outcome, encode_outcomes
from tests.unit.fakes import shipped_topology

TOPOLOGY = shipped_topology()
NOW = 1_800_000_000_000
ACCOUNT = "zoë"
SEQ = position(1, 7)
TOPIC_ID = b"abcd"
HIGH = 1


class Raw(NamedTuple):
    """A record as a reader gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def event(**more: str) -> Raw:
    """The record of `ingest` at offset 7."""
    attributes = {
        "specversion": "1.0", "id": "e1", "source": "/plans", "type": "member.plan.changed", "subject": ACCOUNT,
        "time": "2027-01-15T08:00:00Z", "datacontenttype": "application/json",
    }  # fmt: skip
    value = msgspec.json.encode({**attributes, **more, "data": {"plan": 2}})
    return Raw(7, NOW, ACCOUNT.encode(), value, [("content-type", b"application/cloudevents+json")])


ABOUT = subject(TOPOLOGY, 3, event())


def envelope(seq: int = SEQ, lane: int = HIGH) -> bytes:
    """An envelope at a position."""
    return encode(
        Envelope(VERSION, TOPIC_ID, 3, seq, lane, ACCOUNT, "/plans", "e1", "member.plan.changed", NOW, NOW, NOW + 1,
                 NOW + 60_000, "", b"")
    )  # fmt: skip


def push(*targets: str, seq: int = SEQ) -> bytes:
    """A push to sockets."""
    return encode(
        Push(VERSION, TOPIC_ID, 3, seq, -1, HIGH, ACCOUNT, ("e1",), "member.plan.changed", NOW, NOW, NOW + 60_000, "",
             b"", tuple((target, 1, 1, 1) for target in targets))
    )  # fmt: skip


def outcomes(stage: str, *said: Outcome, ms: int = 5, offset: int = 0) -> Raw:
    """A record of `outcomes`, appended `ms` after the event."""
    return Raw(offset, NOW + ms, b"", encode_outcomes(stage, NOW + ms, list(said)))


def traced(*, passed: dict[str, list[Raw]] | None = None, reports: list[Raw] | None = None, now: int = NOW) -> Trace:
    """The trace of the event after these records of each topic."""
    passages = []
    for topic, records in (passed or {}).items():
        read = decode_push if topic.startswith("push") else decode_envelope
        passages.append(Passage(ABOUT, "stage", topic, read))
        for record in records:
            passages[-1].take(record)
    known = Reports(ABOUT, HIGH, NOW + 60_000)
    for record in reports or []:
        known.take(record)
    return assemble(TOPOLOGY, ABOUT, passages, Letters(ABOUT, "ingest"), known, [], now)
