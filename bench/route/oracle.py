"""What must be in the lanes when the events have been routed, whoever has done it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import confluent_kafka
from confluent_kafka import TopicPartition

from bench.route.load import Planned, good, number_of, plan, time_of, value_of
from streams.envelope import decode_envelope

#: The number of the event that a record of a lane holds; -1 where it holds it otherwise than it should.
Read = Callable[[bytes, int, datetime], int]
_DATA: Final = b'"data":'
_ID: Final = len(b'{"specversion":"1.0","id":"')


def read_as_it_came(value: bytes, lane: int, began: datetime) -> int:
    """Of a peer: the very bytes that were published."""
    number = number_of(value[_ID : _ID + 32].decode())
    return number if value == value_of(plan(number), began) else -1


def read_envelope(value: bytes, lane: int, began: datetime) -> int:
    """Of lockstep: an envelope that says the same."""
    envelope = decode_envelope(value)
    number = number_of(envelope.id)
    event = plan(number)
    published = value_of(event, began)
    said = envelope.lane, envelope.account, envelope.type, envelope.time, envelope.payload
    time = round(time_of(event, began).timestamp() * 1000)
    meant = lane, event.account, event.type, time, published[published.index(_DATA) + len(_DATA) : -1]
    return number if said == meant else -1


def wrong(
    servers: str,
    lanes: Sequence[str],
    partitions: int,
    events: int,
    began: datetime,
    lane_of: Mapping[str, int],
    read: Read,
) -> int:
    """How many records are missing, repeated, unexpected, out of order or altered. `lane_of`: by type of event."""
    expected: dict[tuple[int, int], list[int]] = {}
    for number, event, partition in good(events, partitions):
        expected.setdefault((lane_of[event.type], partition), []).append(number)
    found: dict[tuple[int, int], list[int]] = {}
    for lane, topic in enumerate(lanes):
        for partition, key, value in _records(servers, topic, partitions):
            number = read(value, lane, began)
            found.setdefault((lane, partition), []).append(number if _keyed(number, key) else -1)
    return sum(differences(expected.get(at, []), found.get(at, [])) for at in expected.keys() | found.keys())


def _keyed(number: int, key: bytes | None) -> bool:
    event: Planned = plan(number)
    return key == event.account.encode()


def differences(expected: list[int], found: list[int]) -> int:
    """Numbers that are missing, too many, or behind a greater one."""
    if expected == found:
        return 0
    amiss = (Counter(expected) - Counter(found)).total() + (Counter(found) - Counter(expected)).total()
    return amiss + sum(later < earlier for earlier, later in pairwise(found))


def _records(servers: str, topic: str, partitions: int) -> Iterator[tuple[int, bytes | None, bytes]]:
    """Partition, key and value of every record that has a value; session markers have none."""
    consumer: Any = confluent_kafka.Consumer({
        "bootstrap.servers": servers, "group.id": "oracle", "enable.auto.commit": False, "fetch.wait.max.ms": 50,
    })  # fmt: skip
    try:
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in range(partitions)}
        left = {partition for partition, end in ends.items() if end}
        consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
        while left:
            messages = consumer.consume(10_000, 5.0)
            if not messages:
                raise RuntimeError(f"{topic}: nothing came for 5 s")
            for message in messages:
                if message.error() is not None:
                    raise RuntimeError(message.error().str())
                if message.value() is not None:
                    yield message.partition(), message.key(), message.value()
                if message.offset() + 1 >= ends[message.partition()]:
                    left.discard(message.partition())
    finally:
        consumer.close()
