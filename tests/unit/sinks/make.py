"""Envelopes, pushes, devices and presence for the tests of the sinks."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from streams.envelope import Envelope, Push
from streams.targets import CACHED, DEVICE, PRESENCE
from tests.unit.fakes import NOW, TOPIC_ID, at

Flat = list[bytes]


def envelope(offset: int = 1, **changes: Any) -> Envelope:
    """A notification that has an hour to live."""
    made = Envelope(
        version=1,
        topic_id=TOPIC_ID,
        partition=0,
        seq=at(offset),
        lane=0,
        account="anna",
        source="/profiles",
        id=f"event-{offset}",
        type="member.plan.changed",
        time=NOW - 20,
        appended=NOW - 10,
        deadline=NOW + 60_000,
        expires=NOW + 3_600_000,
        content_type="application/json",
        payload=b'{"plan":"family"}',
    )
    return replace(made, **changes)


def push(offset: int = 1, **changes: Any) -> Push:
    """A push to a television at gateway 5, incarnation 1."""
    made = Push(
        version=1,
        topic_id=TOPIC_ID,
        partition=0,
        seq=at(offset),
        prev=at(offset - 1),
        lane=0,
        account="anna",
        events=(f"event-{offset}",),
        type="member.plan.changed",
        time=NOW - 20,
        deadline=NOW + 60_000,
        expires=NOW + 3_600_000,
        content_type="application/json",
        payload=b'{"plan":"family"}',
        targets=(("tv", 5, 1, NOW),),
    )
    return replace(made, **changes)


def registered(**types: int) -> Flat:
    """A copy of the registry: devices by name with their type bits, all of version 1.0."""
    flat = [CACHED, b""]
    for device, bit in types.items():
        flat += (device.encode(), DEVICE.pack(bit, 1 << 20, 0))
    return flat


def online(*devices: str, gateway: int = 5, incarnation: int = 1, epoch: int = NOW - 1000) -> Flat:
    """Presence of devices at one gateway."""
    value = PRESENCE.pack(epoch, gateway, incarnation, 1)
    return [part for device in devices for part in (device.encode(), value)]
