"""Reads partitions by offset, outside any consumer group: for `trace`, `audit`, `listen` and tests."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import confluent_kafka
from confluent_kafka import TopicPartition

log = logging.getLogger(__name__)
_AT_ONCE: Final = 2000  # records
_QUEUE: Final = 16 << 10  # KiB that wait to be taken, of a consumer
_FETCH: Final = 256 << 10  # bytes of a fetch: a trace often wants one record of a place, and no more
_BRIEFLY, _LONG = 5, 500  # ms, of who reads here and there, and of who follows
_TIMEOUT: Final = 10.0  # seconds for the broker's answer
_PAUSE: Final = 0.1  # seconds until a leader that was not one is looked for again
#: What a broker says that leads a partition no longer, or not yet.
_MOVED: Final = (
    confluent_kafka.KafkaError.NOT_LEADER_FOR_PARTITION,
    confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE,
)


class RawRecord(NamedTuple):
    """One record as it lies in a topic. `timestamp` is in ms."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class ReadFailed(Exception):
    """The cluster did not answer, does not have the topic, or refuses to show it."""


class Reader:
    """Reads one partition after the other through one connection. All methods raise ReadFailed."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def read(
        self, topic: str, partition: int, start: int, end: int | None = None, key: bytes | None = None
    ) -> Iterator[RawRecord]:
        """Records from offset `start` up to, not with, `end`; without `end` up to the end of the moment.

        Only those with `key`, if it is given. What retention has removed is passed over. One reading at a time.
        """
        low, high = self.watermarks(topic, partition)
        position, end = max(start, low), high if end is None else min(end, high)
        if position >= end:
            return
        consumer = self._consumer
        consumer.assign([TopicPartition(topic, partition, position)])
        try:
            while position < end:
                messages = _arrived(consumer, _TIMEOUT)
                if not messages:
                    raise ReadFailed(f"{topic}[{partition}]: nothing came for {_TIMEOUT:g} s")
                for message in messages:
                    if _at_end(message, topic) or message.offset() >= end:
                        return
                    if key is None or message.key() == key:
                        yield _record(message)
                    position = message.offset() + 1
        finally:
            consumer.unassign()

    def one(self, topic: str, partition: int, offset: int) -> RawRecord | None:
        """The first record at or behind an offset; None at the end of the partition."""
        consumer = self._consumer
        consumer.assign([TopicPartition(topic, partition, offset)])
        try:
            message = consumer.poll(_TIMEOUT)
            if message is None:
                raise ReadFailed(f"{topic}[{partition}]: nothing came for {_TIMEOUT:g} s")
            return None if _at_end(message, topic) else _record(message)
        finally:
            consumer.unassign()

    def watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset and end of a partition."""
        return _watermarks(self._consumer, topic, partition)

    def offset_for_time(self, topic: str, partition: int, timestamp: int) -> int:
        """First offset appended at or after `timestamp`, ms; the partition's end where there is none."""
        return _offsets_for_time(self._consumer, topic, [partition], timestamp)[partition]


@contextmanager
def reader(servers: str, security: Mapping[str, str] | None = None) -> Iterator[Reader]:
    """A reader of a cluster."""
    with _consumer(servers, security) as consumer:
        yield Reader(consumer)


def read_partition(
    servers: str,
    topic: str,
    partition: int,
    start: int,
    end: int | None = None,
    security: Mapping[str, str] | None = None,
) -> Iterator[RawRecord]:
    """`Reader.read` through a connection of its own."""
    with reader(servers, security) as one:
        yield from one.read(topic, partition, start, end)


def follow(
    servers: str, topic: str, starts: Mapping[int, int], patience: float, security: Mapping[str, str] | None = None
) -> Generator[tuple[int, RawRecord] | None, None, None]:
    """Partition and record, for ever, from the offset of each partition in `starts`.

    None each time that nothing comes for `patience` seconds. Raises ReadFailed.
    """
    with _consumer(servers, security, _LONG) as consumer:
        consumer.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])
        while True:
            messages = [message for message in _arrived(consumer, patience) if not _at_end(message, topic)]
            if not messages:
                yield None
            for message in messages:
                yield message.partition(), _record(message)


def watermarks(
    servers: str, topic: str, partitions: Iterable[int], security: Mapping[str, str] | None = None
) -> dict[int, tuple[int, int]]:
    """First offset and end of each partition. Raises ReadFailed."""
    with _consumer(servers, security) as consumer:
        return {partition: _watermarks(consumer, topic, partition) for partition in partitions}


def offsets_for_time(
    servers: str, topic: str, partitions: Iterable[int], timestamp: int, security: Mapping[str, str] | None = None
) -> dict[int, int]:
    """First offset of each partition appended at or after `timestamp`, ms; its end where there is none.

    Raises ReadFailed.
    """
    with _consumer(servers, security) as consumer:
        return _offsets_for_time(consumer, topic, partitions, timestamp)


@contextmanager
def _consumer(servers: str, security: Mapping[str, str] | None, wait_ms: int = _BRIEFLY) -> Iterator[Any]:
    """`wait_ms`: for so long a fetch at the end of a partition waits, and holds up the next one elsewhere."""
    consumer = confluent_kafka.Consumer(
        {
            **(security or {}),
            "bootstrap.servers": servers,
            "group.id": "lockstep-reader",  # demanded by the client; never joined, nothing is committed
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": wait_ms,
            "fetch.message.max.bytes": _FETCH,
            "queued.max.messages.kbytes": _QUEUE,
            "log_level": 3,
        },
        logger=log,  # librdkafka's own way to standard error is not that of the process
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _watermarks(consumer: Any, topic: str, partition: int) -> tuple[int, int]:
    place = TopicPartition(topic, partition)
    low, high = _answer(partial(consumer.get_watermark_offsets, place, timeout=_TIMEOUT), f"{topic}[{partition}]")
    return low, high


def _offsets_for_time(consumer: Any, topic: str, partitions: Iterable[int], timestamp: int) -> dict[int, int]:
    wanted = [TopicPartition(topic, partition, timestamp) for partition in partitions]
    found = _answer(partial(consumer.offsets_for_times, wanted, timeout=_TIMEOUT), topic)
    return {
        tp.partition: tp.offset if tp.offset >= 0 else _watermarks(consumer, topic, tp.partition)[1] for tp in found
    }


def _answer(ask: Callable[[], Any], what: str) -> Any:
    """The cluster's answer; asked again while a partition's leader is another one than known. Raises ReadFailed."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            return ask()
        except confluent_kafka.KafkaException as error:
            if error.args[0].code() not in _MOVED or time.monotonic() > deadline:
                raise ReadFailed(f"{what}: {error.args[0].str()}") from error
        time.sleep(_PAUSE)


def _arrived(consumer: Any, patience: float) -> list[Any]:
    """Wait for one message, then take what else is there: `consume` by itself waits for all that it may return."""
    first = consumer.poll(patience)
    return [] if first is None else [first, *consumer.consume(_AT_ONCE, 0)]


def _at_end(message: Any, topic: str) -> bool:
    """Whether this is the end of a partition instead of a record."""
    error = message.error()
    if error is None:
        return False
    if error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
        return True
    raise ReadFailed(f"{topic}: {error.str()}")


def _record(message: Any) -> RawRecord:
    return RawRecord(message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers() or [])
