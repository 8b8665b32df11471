"""A load of numbered events, each a pure function of its number."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from confluent_kafka import Message, Producer

from tests.e2e.pace import Pace

Class = Literal["good", "duplicate", "stale"]
TYPES = ("member.viewing.updated", "member.plan.changed", "member.profile.maturity-changed", "member.home.refreshed")
LANE_OF = {"member.viewing.updated": 2, "member.plan.changed": 1, "member.profile.maturity-changed": 0,
           "member.home.refreshed": 3}  # fmt: skip
#: Of 50 events one repeats the id of the account's event before it, and one is two hours old.
_CYCLE = 50


@dataclass(frozen=True)
class Planned:
    """Event number `number`: its class and, for a duplicate, whose id it repeats."""

    number: int
    account: str
    type: str
    kind: Class
    id: str


def plan(number: int, accounts: int) -> Planned:
    """What event number `number` is; a pure function, so that nothing has to be stored."""
    account = number % accounts
    turn = number // accounts
    kind: Class = "good"
    if turn and (turn * 7 + account) % _CYCLE == 7:
        kind = "duplicate"
    elif turn and (turn * 7 + account) % _CYCLE == 21:
        kind = "stale"
    original = number if kind != "duplicate" else number - accounts
    return Planned(number, f"account-{account}", TYPES[(original // accounts) % len(TYPES)], kind, f"e{original}")


def value_of(event: Planned, now: float) -> bytes:
    """The structured CloudEvent of a planned event."""
    at = now - 7200 if event.kind == "stale" else now
    type_ = "member.viewing.updated" if event.kind == "stale" else event.type
    return json.dumps({
        "specversion": "1.0", "id": event.id, "source": "/load", "type": type_, "subject": event.account,
        "time": datetime.fromtimestamp(at, UTC).isoformat(), "datacontenttype": "application/json",
        "data": {"number": int(event.id[1:])},
    }).encode()  # fmt: skip


@dataclass
class Published:
    """What became of the events of `numbers`: the offset of each that the broker acked, -1 for the others."""

    numbers: range
    offsets: array[int] = field(init=False)
    failed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.offsets = array("q", [-1]) * len(self.numbers)

    def acked(self) -> Iterator[tuple[int, int]]:
        """Number and offset of each event that the broker has."""
        return ((n, at) for n, at in zip(self.numbers, self.offsets, strict=True) if at >= 0)


def publish(servers: str, topic: str, numbers: range, accounts: int, pace: Pace) -> Published:
    """Publish the events of `numbers` at the pace given, and wait for all acks."""
    done = Published(numbers)
    producer = Producer({
        "bootstrap.servers": servers, "partitioner": "murmur2_random", "enable.idempotence": True, "acks": "all",
        "linger.ms": 5, "compression.type": "lz4",
    })  # fmt: skip
    for number in numbers:
        event = plan(number, accounts)

        def acked(error: object, message: Message, number: int = number) -> None:
            if error is None:
                done.offsets[number - numbers.start] = message.offset()
            else:
                done.failed.append(number)

        headers = [("content-type", b"application/cloudevents+json")]
        producer.produce(
            topic, value_of(event, time.time()), event.account.encode(), headers=headers, on_delivery=acked
        )
        producer.poll(0)
        pace.wait(number - numbers.start)
    producer.flush()
    return done
