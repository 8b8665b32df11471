"""Why a producer's session begins with a marker, shown on a real broker, and that the outlet's does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from confluent_kafka.admin import AdminClient, NewTopic

from streams.marker import is_marker
from streams.transport import Failure
from streams.transport.client import Publisher, RawRecord, read_partition
from streams.transport.outlet import NotOpen, Outlet
from tests.topics import create, delete

TAKEN: Final = 0
OUT_OF_ORDER: Final = 45
BATCH: Final = 5  # records
PARTITIONS: Final = 3


@pytest.fixture
def topic(kafka: str, prefix: str) -> Iterator[str]:
    """A topic of three partitions."""
    admin = AdminClient({"bootstrap.servers": kafka})
    name = f"{prefix}sessions"
    create(admin, [NewTopic(name, PARTITIONS, 1)])
    yield name
    delete(admin, [name])


class Producer:
    """An idempotent producer of which each request is made by hand, as the network may deliver them."""

    def __init__(self, client: Any, node: int, session: Any, topic: str) -> None:
        self._client = client
        self._node = node
        self._session = session
        self._topic = topic

    async def append(self, sequence: int, records: int = BATCH) -> int:
        """Send the batch of the records from `sequence` on; the broker's error code."""
        producer, epoch = self._session.producer_id, self._session.producer_epoch
        batch = DefaultRecordBatchBuilder(2, 0, 0, producer, epoch, sequence, 100_000)
        for place in range(records):
            batch.append(place, int(time.time() * 1000), None, b"%02d" % (sequence + place), [])
        answer = await self._client.send(
            self._node,
            ProduceRequest(
                transactional_id=None,
                required_acks=-1,
                timeout=5000,
                topics=[(self._topic, [(0, bytes(batch.build()))])],
            ),
        )
        return int(answer.topics[0][1][0][1])


@pytest.fixture
async def producer(kafka: str, topic: str) -> AsyncIterator[Producer]:
    """A producer that the broker does not know yet; the partition holds a record of another one."""
    publisher = Publisher(kafka)
    await publisher.publish(topic, None, b"-1", partition=0)
    publisher.close()
    client = AIOKafkaClient(bootstrap_servers=kafka)
    await client.bootstrap()
    try:
        node = next(iter(client.cluster.brokers())).nodeId
        session = await client.send(node, InitProducerIdRequest(None, 60_000))
        yield Producer(client, node, session, topic)
    finally:
        await client.close()


def _values(servers: str, topic: str) -> list[int]:
    return [int(record.value or b"") for record in read_partition(servers, topic, 0, 0)]


async def test_a_first_batch_that_is_lost_leaves_a_hole(kafka: str, topic: str, producer: Producer) -> None:
    """Without a marker: the second batch in flight is taken as the first, and the first is then refused for good."""
    assert await producer.append(5) == TAKEN
    assert await producer.append(0) != TAKEN
    assert _values(kafka, topic) == [-1, 5, 6, 7, 8, 9]


async def test_behind_a_marker_there_is_no_hole(kafka: str, topic: str, producer: Producer) -> None:
    """With a marker on the broker the second batch is refused until the first is there."""
    assert await producer.append(0, records=1) == TAKEN
    assert await producer.append(6) == OUT_OF_ORDER
    assert await producer.append(1) == TAKEN
    assert await producer.append(6) == TAKEN
    assert _values(kafka, topic) == list(range(-1, 11))


def _kinds(records: list[RawRecord]) -> list[bytes]:
    return [b"marker" if is_marker(record) else record.value or b"" for record in records]


async def test_each_session_of_the_outlet_begins_with_a_marker(kafka: str, topic: str) -> None:
    """In each partition it opens, alone; records follow in order, and the next session does the same."""
    for session in (b"1", b"2"):
        outlet = Outlet({"bootstrap.servers": kafka, "linger.ms": 0}, Failure(), marked=frozenset({topic}))
        outlet.start()
        await outlet.open([(topic, 0), (topic, 1)])
        with pytest.raises(NotOpen):
            outlet.put(topic, 2, None, session)
        for partition in range(PARTITIONS):
            await outlet.send(topic, partition, None, session)
            outlet.put(topic, partition, None, session)
        await outlet.flush()
        outlet.stop()
    for partition in range(PARTITIONS):
        found = _kinds(list(read_partition(kafka, topic, partition, 0)))
        assert found == [b"marker", b"1", b"1", b"marker", b"2", b"2"]
