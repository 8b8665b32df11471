"""The plain path of `route`: what nearly all events are, judged and packed by a native part, a batch at a time.

Python stays the reference. The native part takes a record only where it is sure that Python would let it pass, and
gives the same bytes; every other record it leaves. Where it is not compiled it leaves all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from streams.envelope import VERSION, Envelope, encode
from streams.fingerprint import short_key
from streams.limits import Limits
from streams.native.sources import native
from streams.policies import Policy
from streams.record import Record
from streams.seen import SeenEntry
from streams.targets import EVERY

#: Numbers of rules from here on are left to Python: what the native part adds to them has no room in 64 bits.
_ROOM: Final = 1 << 48
_LARGEST: Final = 1 << 30  # bytes of an event
_ARRAY: Final = 0xDC  # msgpack: an array whose length follows in 16 bits


class Accepted(NamedTuple):
    """An event that passed every gate but the duplicates: what is asked of `seen`, and what goes into which lane."""

    record: Record
    entry: SeenEntry
    lane: int
    packed: tuple[bytes | None, bytes | None]


class Rules(NamedTuple):
    """What a router knows. `base` is the position of offset 0; `topic_id` the first four bytes of the topic's id."""

    policies: Mapping[str, Policy]
    limits: Limits
    partitions: int
    base: int
    topic_id: bytes


#: A record that is left to Python, and the log time at it, ms.
Left = tuple[Record, int]
#: Takes the records of a batch, its partition, and the log time before it (ms): accepted ones, and those left.
Take = Callable[[Sequence[Record], int, int], tuple[list[Accepted], list[Left]]]


def taker(rules: Rules) -> Take:
    """The plain path under these rules."""
    module = native()
    if module is None or not 0 <= rules.base < _ROOM << 13:
        return nothing_plain
    take: Take = module.Kernel(
        tuple(_policies(rules.policies)),
        short_key(rules.limits.fingerprint_key.encode()),
        min(rules.limits.event_bytes, _LARGEST),
        min(int(rules.limits.future_tolerance * 1000), _ROOM),
        rules.base,
        rules.partitions,
        _frame(rules.topic_id),
        Accepted,
        SeenEntry,
    ).take
    return take


def nothing_plain(records: Sequence[Record], partition: int, clock: int) -> tuple[list[Accepted], list[Left]]:
    """The plain path of a process without a native part: every record is left."""
    left = []
    for record in records:
        if record.timestamp > clock:
            clock = record.timestamp
        left.append((record, clock))
    return [], left


def _policies(policies: Mapping[str, Policy]) -> list[tuple[bytes, int, int, int, bool]]:
    """Of the event types whose lane is always the same."""
    return [
        (name.encode(), policy.lanes[0][1], policy.max_age, policy.ttl, policy.collapse)
        for name, policy in policies.items()
        if len(policy.lanes) == 1 and name.isascii() and min(policy.max_age, policy.ttl) >= 0
        if max(policy.max_age, policy.ttl) < _ROOM
    ]


def _frame(topic_id: bytes) -> tuple[bytes, bytes, bytes]:
    """What all envelopes of a topic share, packed: what is before `partition`, `target`, what is behind `trace`."""
    fields, defaults = Envelope.__struct_fields__, Envelope.__struct_defaults__
    default = dict(zip(fields[-len(defaults) :], defaults, strict=True))
    behind = [encode(default[name]) for name in fields[fields.index("trace") + 1 :]]
    head = bytes((_ARRAY, *len(fields).to_bytes(2))) + encode(VERSION) + encode(topic_id)
    return head, encode(EVERY), b"".join(behind)
