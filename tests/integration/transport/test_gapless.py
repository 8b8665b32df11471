"""The log of the outlet never has a hole: against a real broker that refuses, and a simulated one that fails."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from streams.deadletters import Origin, letter
from streams.transport import DeliveryFailed, Failure, OversizedRecord
from streams.transport.client import RawRecord, read_partition
from streams.transport.outlet import Outlet
from tests.integration.transport.pipeline import until
from tests.topics import create, delete

ONE_BY_ONE = {"linger.ms": 0, "batch.num.messages": 1, "log_level": 0}
INVALID_RECORD = 87
LIMIT = 2000


@pytest.fixture
def topic(kafka: str, prefix: str) -> Iterator[str]:
    """A topic of one partition that refuses what is larger than 2000 bytes."""
    admin = AdminClient({"bootstrap.servers": kafka})
    name = f"{prefix}gapless"
    create(admin, [NewTopic(name, 1, 1, config={"max.message.bytes": str(LIMIT)})])
    yield name
    delete(admin, [name])


@pytest.fixture
def mock_cluster() -> Iterator[tuple[str, Any]]:
    """librdkafka's own simulated broker: its address, and a function that has it refuse the next produce request."""
    (path,) = (Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka*.so*")
    library = ctypes.CDLL(str(path))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    error = ctypes.create_string_buffer(512)
    client = ctypes.c_void_p(library.rd_kafka_new(0, ctypes.c_void_p(library.rd_kafka_conf_new()), error, 512))
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(client, 1))
    library.rd_kafka_mock_topic_create(cluster, b"t", 1, 1)

    def refuse_next() -> None:
        codes = (ctypes.c_int * 1)(INVALID_RECORD)
        library.rd_kafka_mock_push_request_errors_array(cluster, ctypes.c_int16(0), ctypes.c_size_t(1), codes)

    yield library.rd_kafka_mock_cluster_bootstraps(cluster).decode(), refuse_next
    library.rd_kafka_mock_cluster_destroy(cluster)
    library.rd_kafka_destroy(client)


def _put_all(outlet: Outlet, topic: str, values: list[bytes]) -> None:
    """Put until the outlet refuses."""
    for value in values:
        try:
            outlet.put(topic, 0, b"k", value)
        except DeliveryFailed:
            return


def _values() -> list[bytes]:
    """Two hundred numbers; the fourth is too large for the topic, compressed or not."""
    return [b"%3d" % number + (os.urandom(5000) if number == 4 else b"") for number in range(200)]


def _numbers(servers: str, topic: str) -> list[int]:
    return [int((record.value or b"")[:3]) for record in read_partition(servers, topic, 0, 0)]


async def test_nothing_is_appended_behind_a_refused_record(kafka: str, topic: str) -> None:
    """The broker refuses number 4 for its size: the log ends before it, the flush raises, the failure is kept."""
    failure = Failure()
    outlet = Outlet({**ONE_BY_ONE, "bootstrap.servers": kafka}, failure)
    outlet.start()
    _put_all(outlet, topic, _values())
    with pytest.raises(DeliveryFailed):
        await outlet.flush()
    with pytest.raises(DeliveryFailed):
        await outlet.flush()
    outlet.stop()
    assert isinstance(failure.cause, DeliveryFailed)
    numbers = _numbers(kafka, topic)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) <= 4


async def test_without_the_guarantee_there_is_a_hole(kafka: str, topic: str) -> None:
    """The plain idempotent producer goes on behind the refused record: this is what the outlet's settings are for."""
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka, "enable.idempotence": True, **ONE_BY_ONE})
    for value in _values():
        producer.produce(topic, value, b"k", 0)
    await asyncio.to_thread(producer.flush, 20)
    numbers = _numbers(kafka, topic)
    assert 4 not in numbers
    assert max(numbers) == 199


async def test_nothing_is_appended_behind_a_fatal_error(mock_cluster: tuple[str, Any]) -> None:
    """A produce request is refused for good: the outlet takes nothing more, and the log is what was safe before."""
    servers, refuse_next = mock_cluster
    failure = Failure()
    outlet = Outlet({**ONE_BY_ONE, "bootstrap.servers": servers}, failure)
    outlet.start()
    _put_all(outlet, "t", [b"  0", b"  1", b"  2"])
    await outlet.flush()
    refuse_next()
    outlet.put("t", 0, b"k", b"  3")
    await asyncio.to_thread(until, lambda: failure.cause, "the failure is noted")
    with pytest.raises(DeliveryFailed):
        outlet.put("t", 0, b"k", b"  4")
    with pytest.raises(DeliveryFailed):
        await outlet.flush()
    outlet.stop()
    assert _numbers(servers, "t") == [0, 1, 2]


async def test_a_record_too_large_for_the_client_is_refused_alone(kafka: str, topic: str) -> None:
    """OversizedRecord before anything is queued; the neighbours arrive, and nothing has failed."""
    failure = Failure()
    outlet = Outlet({**ONE_BY_ONE, "bootstrap.servers": kafka, "message.max.bytes": 1500}, failure)
    outlet.start()
    outlet.put(topic, 0, b"k", b"  0", [("h", b"v")])
    with pytest.raises(OversizedRecord, match="2001 bytes"):
        outlet.put(topic, 0, b"k", b"x" * 2000)
    outlet.put(topic, 0, b"k", b"  1")
    await outlet.flush()
    outlet.stop()
    assert failure.cause is None
    first, second = read_partition(kafka, topic, 0, 0)
    assert (first.value, first.headers, second.value) == (b"  0", [("h", b"v")], b"  1")


async def test_a_dead_letter_is_taken_whatever_the_size_of_its_record(kafka: str, topic: str) -> None:
    """At the limit of topic and client, byte for byte, of values that cannot be compressed."""
    outlet = Outlet({**ONE_BY_ONE, "bootstrap.servers": kafka, "message.max.bytes": LIMIT}, failure := Failure())
    outlet.start()
    origin, sizes, whole = Origin("ingest", 0, 7, "oversized", "why", b"topc"), range(1000, LIMIT + 200), 0
    for headers in ([], [("h", b"v")] * 20):
        for size in sizes:
            made = letter(origin, RawRecord(7, 0, b"k", os.urandom(size), headers), LIMIT)
            whole += made.value is not None
            await outlet.send(topic, 0, *made)
    await outlet.flush()
    outlet.stop()
    assert failure.cause is None
    kept = [record.value for record in read_partition(kafka, topic, 0, 0)]
    assert len(kept) == 2 * len(sizes)
    assert 0 < whole == sum(value is not None for value in kept) < len(kept)


async def test_a_full_queue_is_waited_for(kafka: str, topic: str) -> None:
    """With room for ten records `put` raises BufferError, `send` and `send_all` wait, and all arrive in order."""
    outlet = Outlet({"bootstrap.servers": kafka, "queue.buffering.max.messages": 10, "linger.ms": 50}, Failure())
    outlet.start()
    for number in range(10):
        outlet.put(topic, 0, b"k", b"%3d" % number)
    with pytest.raises(BufferError):
        outlet.put(topic, 0, b"k", b"too many")
    for number in range(10, 50):
        await outlet.send(topic, 0, b"k", b"%3d" % number)
    await outlet.send_all(topic, 0, [(b"k", b"%3d" % number) for number in range(50, 100)])
    await outlet.flush()
    outlet.stop()
    assert _numbers(kafka, topic) == list(range(100))


async def test_a_flush_without_a_broker_ends() -> None:
    """Nobody answers: the flush gives up after its time and says that a record is not safe.

    What the client has to report of its broker counts too, and may be there or not when the time is over.
    """
    outlet = Outlet({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}, Failure(), flush_timeout=0.5)
    outlet.start()
    outlet.put("t", 0, b"k", b"v")
    with pytest.raises(DeliveryFailed, match=r"up to [1-9] records not on the broker after 0\.5 s"):
        await outlet.flush()
    outlet.stop()
