"""The plain clients against a real broker, and that all of them choose the same partition for a key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.transport.client import (
    Publisher,
    PublishFailed,
    PublishRefused,
    ReadFailed,
    follow,
    offsets_for_time,
    partition_for,
    read_partition,
    watermarks,
)
from tests.topics import create, delete

PARTITIONS = 7


@pytest.fixture
def topic(kafka: str, prefix: str) -> Iterator[str]:
    """A topic of seven partitions."""
    admin = AdminClient({"bootstrap.servers": kafka})
    name = f"{prefix}plain"
    create(admin, [NewTopic(name, PARTITIONS, 1)])
    yield name
    delete(admin, [name])


@pytest.fixture
def publisher(kafka: str) -> Iterator[Publisher]:
    """A publisher that is closed at the end."""
    made = Publisher(kafka)
    yield made
    made.close()


async def test_every_client_puts_a_key_on_the_same_partition(kafka: str, topic: str, publisher: Publisher) -> None:
    """librdkafka, aiokafka and our own function agree, for keys of every length."""
    keys = [bytes(range(length)) + b"%d" % length for length in range(60)]
    ours = [partition_for(key, PARTITIONS) for key in keys]
    placed = await asyncio.gather(*[publisher.publish(topic, key, b"v") for key in keys])
    assert [partition for partition, _ in placed] == ours
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        sent = [await (await producer.send(topic, b"v", key)) for key in keys]
    assert [metadata.partition for metadata in sent] == ours


async def test_what_is_published_is_read_where_it_was_said_to_be(kafka: str, topic: str, publisher: Publisher) -> None:
    """Key, value and headers come back from the partition and offset that publish returned."""
    partition, offset = await publisher.publish(topic, b"key", b"value", [("a", b"1")], partition=5)
    assert partition == 5
    assert publisher.publish_sync(topic, b"key", None, partition=5) == (5, offset + 1)
    first, second = read_partition(kafka, topic, 5, offset)
    assert (first.offset, first.key, first.value, first.headers) == (offset, b"key", b"value", [("a", b"1")])
    assert (second.key, second.value, second.headers) == (b"key", None, [])


async def test_reading_is_bounded_at_both_ends(kafka: str, topic: str, publisher: Publisher) -> None:
    """From start up to, not with, end; what lies outside the partition is passed over; time finds offsets."""
    await asyncio.gather(*[publisher.publish(topic, b"k", b"v", partition=0) for _ in range(50)])
    assert [record.offset for record in read_partition(kafka, topic, 0, 10, 13)] == [10, 11, 12]
    assert [record.offset for record in read_partition(kafka, topic, 0, 48, 99)] == [48, 49]
    assert list(read_partition(kafka, topic, 0, 50)) == []
    assert watermarks(kafka, topic, [0, 1]) == {0: (0, 50), 1: (0, 0)}
    times = [record.timestamp for record in read_partition(kafka, topic, 0, 0)]
    assert offsets_for_time(kafka, topic, [0, 1], times[0]) == {0: 0, 1: 0}
    assert offsets_for_time(kafka, topic, [0], times[-1] + 1) == {0: 50}


def test_following_gives_what_comes(kafka: str, topic: str, publisher: Publisher) -> None:
    """Records of several partitions as they arrive, and None while nothing does."""
    publisher.publish_sync(topic, b"k", b"old", partition=1)
    following = follow(kafka, topic, {1: 0, 2: 0}, patience=0.2)
    seen: list[tuple[int, bytes | None]] = []
    while len(seen) < 2:
        found = next(following)
        if found is None:
            publisher.publish_sync(topic, b"k", b"new", partition=2)
        else:
            seen.append((found[0], found[1].value))
    following.close()
    assert seen == [(1, b"old"), (2, b"new")]


async def test_errors_name_what_is_wrong(kafka: str, topic: str, publisher: Publisher) -> None:
    """Too large, no such topic, no such partition."""
    with pytest.raises(PublishRefused, match="too large"):
        await publisher.publish(topic, b"k", b"x" * 2_000_000)
    with pytest.raises(ReadFailed, match="nowhere"):
        watermarks(kafka, "nowhere", [0])
    with pytest.raises(PublishFailed, match="Unknown partition"):
        await publisher.publish(topic, b"k", b"v", partition=99)


def test_a_closed_publisher_takes_nothing() -> None:
    """Closing gives up what no broker takes, and nobody else does."""
    publisher = Publisher("127.0.0.1:1", log_level=0)
    given_up = publisher.submit("topic", b"k", b"v")
    assert not given_up.cancel()
    with pytest.raises(PublishFailed, match="not everything was delivered"):
        publisher.close(0.1)
    assert isinstance(given_up.exception(10), PublishFailed)
    with pytest.raises(PublishFailed, match="closed"):
        publisher.publish_sync("topic", b"k", b"v")
