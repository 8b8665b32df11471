"""The events of a run: each a pure function of its number; one twentieth is stale, one twentieth repeats another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

import confluent_kafka

from streams.murmur2 import partition_for

Kind = Literal["good", "duplicate", "stale"]
HEADERS: Final = [("content-type", b"application/cloudevents+json")]
ACCOUNTS: Final = 100_000
SIZE: Final = 451  # bytes
#: Types of twenty events: of the lanes critical, high, normal and low there are one, three, six and ten.
TYPES: Final = (
    "member.profile.maturity-changed", *["member.plan.changed"] * 3, *["member.viewing.updated"] * 6,
    *["member.home.refreshed"] * 10,
)  # fmt: skip
_CYCLE: Final = 20
_TOO_OLD: Final = timedelta(days=2)
#: Times of events lie within a minute before the run begins, each in a millisecond of its own.
_SPREAD: Final = 60_000
_NOTES: Final = "".join(blake2b(bytes([i])).hexdigest() for i in range(64))


class Planned(NamedTuple):
    """An event; a duplicate has the bytes of an earlier one, its `original`."""

    kind: Kind
    original: int
    account: str
    type: str


def plan(number: int) -> Planned:
    """What event `number` is. Every other duplicate comes at once, the others anywhere behind their originals."""
    turn, place = divmod(number, _CYCLE)
    kind: Kind = "stale" if place == 3 else "duplicate" if place == 13 else "good"
    original = number
    if kind == "duplicate":
        original = (_mixed(number) % (turn + 1) if turn % 2 else turn) * _CYCLE + place - 1
    mixed = _mixed(original)
    return Planned(kind, original, f"account-{mixed % ACCOUNTS:07d}", TYPES[mixed // ACCOUNTS % len(TYPES)])


def time_of(event: Planned, began: datetime) -> datetime:
    """When an event happened, in a run that began then."""
    at = began - timedelta(milliseconds=_mixed(event.original) % _SPREAD)
    return at - _TOO_OLD if event.kind == "stale" else at


def value_of(event: Planned, began: datetime) -> bytes:
    """The structured CloudEvent of an event in a run that began then."""
    number = event.original
    time = time_of(event, began).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = (
        f'{{"specversion":"1.0","id":"{number:08x}{_mixed(number):024x}","source":"/services/{number % 7}",'
        f'"type":"{event.type}","subject":"{event.account}","time":"{time}",'
        f'"datacontenttype":"application/json","data":{{"title":{number % 90_000},"note":"'
    )
    start = number * 31 % (len(_NOTES) - SIZE)
    return f'{head}{_NOTES[start : start + SIZE - len(head) - 3]}"}}}}'.encode()


def number_of(id_: str) -> int:
    """The number in the id of an event."""
    return int(id_[:8], 16)


def _mixed(number: int) -> int:
    return (number + 1) * 0x9E3779B97F4A7C15 % (1 << 64) >> 20


@cache
def home(account: str, partitions: int) -> int:
    """The partition of an account."""
    return partition_for(account.encode(), partitions)


def good(events: int, partitions: int) -> Iterator[tuple[int, Planned, int]]:
    """The events that must be routed: number, event, partition."""
    for number in range(events):
        event = plan(number)
        if event.kind == "good":
            yield number, event, home(event.account, partitions)


def fill(servers: str, topic: str, events: int, partitions: int) -> datetime:
    """Publish the events; the beginning of the run that is in them."""
    producer = confluent_kafka.Producer({
        "bootstrap.servers": servers, "enable.idempotence": True, "acks": "all", "linger.ms": 5,
        "compression.type": "lz4", "queue.buffering.max.messages": 500_000, "log_level": 3,
    })  # fmt: skip
    began = datetime.fromtimestamp(int(datetime.now(UTC).timestamp()), UTC)
    for number in range(events):
        event = plan(number)
        at = topic, value_of(event, began), event.account.encode(), home(event.account, partitions)
        while True:
            try:
                producer.produce(*at, headers=HEADERS)
                break
            except BufferError:
                producer.poll(0.05)
        if not number % 1000:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError(f"{topic}: not all events are on the broker")
    return began
