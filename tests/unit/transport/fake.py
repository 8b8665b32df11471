"""Kafka without a broker: the real consumer, ledger, outlet and Faust app over records in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import confluent_kafka
import pytest
from faust.assignor.client_assignment import ClientAssignment
from faust.types import TP
from mode import Service

from streams.logtime import UNKNOWN
from streams.marker import HEADERS
from streams.stage import Handler
from streams.transport import BatchTransport, Chain, add_agent, make_app
from streams.transport.arrivals import Chunk, Fetched
from streams.transport.batch import Partition
from streams.transport.consumer import BatchConsumer
from streams.transport.mark import Mark
from streams.transport.producer import BatchProducer

TOPIC = "in"
MARKER = b"marker"  # what the broker notes where a session begins
OUT = "out"


class Rec(NamedTuple):
    """A record of a fake topic."""

    offset: int
    value: bytes | None = b""
    timestamp: int = UNKNOWN
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class Broker:
    """What lies in the input topic, what was delivered, what is committed."""

    def __init__(self, records: int, partitions: int = 1, per_poll: int = 4) -> None:
        self.partitions = partitions
        self.per_poll = per_poll
        self.logs = {
            TP(TOPIC, number): [Rec(offset, b"%d" % offset) for offset in range(records)]
            for number in range(partitions)
        }
        self.committed: dict[Partition, Mark] = {}
        self.log: list[bytes | None] = []  # what was delivered, markers of sessions too
        self.refusing = False  # every delivery fails
        self.answering = threading.Event()  # cleared: deliveries hang
        self.answering.set()

    @property
    def delivered(self) -> list[bytes | None]:
        """What was delivered, without markers."""
        return [value for value in self.log if value is not MARKER]


class FakeKafka:
    """The part of confluent_kafka.Producer that the outlet uses."""

    broker: Broker

    def __init__(self, config: dict[str, Any]) -> None:
        self._queue: list[tuple[bytes | None, Callable[[Any, Any], None]]] = []

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int, done: Any, headers: Any = None
    ) -> None:
        """Queue; a session's marker counts as a value of its own."""
        self._queue.append((MARKER if headers == HEADERS else value, done))

    def flush(self, timeout: float) -> int:
        """Deliver or refuse all that is queued, when the broker answers."""
        if not self.broker.answering.wait(timeout):
            return len(self._queue)
        queue, self._queue = self._queue, []
        for value, done in queue:
            if self.broker.refusing:
                done(confluent_kafka.KafkaError(confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED), self)
            else:
                self.broker.log.append(value)
        return 0

    def poll(self, timeout: float) -> int:
        """Nothing comes by itself."""
        threading.Event().wait(timeout)
        return 0

    def topic(self) -> str:
        """As of a message."""
        return OUT

    def partition(self) -> int:
        """As of a message."""
        return 0


class FakeThread(Service):
    """In the place of the thread that owns aiokafka's consumer."""

    def __init__(self, consumer: FakeConsumer, broker: Broker, **kwargs: Any) -> None:
        self._consumer = consumer
        self._broker = broker
        self._assigned: set[Any] = set()
        super().__init__(**kwargs)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """The first assignment: everything."""
        self._assigned = set(self._broker.logs)
        self._rebalancing = asyncio.ensure_future(self.rebalance())

    async def rebalance(self) -> None:
        """Everything is revoked and given back."""
        app, consumer = self._consumer.app, self._consumer
        app.assignor._assignment = ClientAssignment(actives={TOPIC: list(range(self._broker.partitions))}, standbys={})
        app.on_rebalance_start()
        await consumer.on_partitions_revoked(set(self._assigned) if app.consumer_generation_id else set())
        app.consumer_generation_id += 1
        await consumer.on_partitions_assigned(set(self._assigned), app.consumer_generation_id)

    def assignment(self) -> set[Any]:
        """All partitions once subscribed."""
        return self._assigned

    async def getmany(self, active_partitions: Any, timeout: float) -> tuple[int | None, dict[Any, list[Rec]]]:
        """There are no changelogs."""
        await asyncio.sleep(0.001)
        return self._consumer.epoch, {}

    async def committed(self, sources: Iterable[Partition]) -> dict[Partition, Mark]:
        """As the real one."""
        return dict(self._broker.committed)

    async def commit(self, marks: dict[Partition, Mark]) -> dict[Partition, Mark]:
        """As the real one."""
        self._broker.committed.update(marks)
        return marks

    def wake(self) -> None:
        """It never sleeps for long."""

    def close(self) -> None:
        """Nothing to close."""

    def topic_partitions(self, topic: str) -> int:
        """As configured."""
        return self._broker.partitions


class FakeIntake:
    """In the place of the thread that reads: up to `per_poll` records of each partition that has room."""

    def __init__(self, consumer: FakeConsumer, broker: Broker) -> None:
        self._consumer = consumer
        self._broker = broker
        self._number = 0
        self._positions: dict[Partition, int] = {}

    def start(self) -> None:
        """Read from now on."""
        self._reading = asyncio.ensure_future(self._read())

    async def stop(self) -> None:
        """Read no more."""
        self._reading.cancel()

    def assign(self, positions: Mapping[Partition, Mark | None]) -> int:
        """As the real one."""
        self._number += 1
        self._positions = {source: 0 if mark is None else mark.offset for source, mark in positions.items()}
        return self._number

    def release(self, weight: int) -> None:
        """There is always room."""

    def end_of(self, source: Partition) -> int:
        """As the real one."""
        return len(self._broker.logs[TP(*source)])

    async def _read(self) -> None:
        while True:
            await asyncio.sleep(0.001)
            for source, start in self._positions.items():
                records = self._broker.logs[TP(*source)][start : start + self._broker.per_poll]
                if records and self._consumer._has_room(source):
                    self._positions[source] += len(records)
                    self._consumer._arrived(self._number, {source: Chunk([Fetched(*fields(r)) for r in records], 0)})


def fields(record: Rec) -> tuple[int, int, bytes | None, bytes | None, Sequence[tuple[str, bytes]]]:
    """In the order of `Fetched`."""
    return record.offset, record.timestamp, record.key, record.value, record.headers


class FakeConsumer(BatchConsumer):
    """The real consumer over a fake thread."""

    def _new_intake(self) -> Any:
        return FakeIntake(self, self.transport.broker)

    def _new_consumer_thread(self) -> Any:
        return FakeThread(self, self.transport.broker, loop=self.loop, beacon=self.beacon)


class FakeProducer(BatchProducer):
    """The real producer without aiokafka's, which gives metadata."""

    async def on_start(self) -> None:
        """Start the outlet alone."""
        self.transport.output.start()

    async def on_stop(self) -> None:
        """Stop the outlet alone."""
        self.transport.output.stop()


class FakeTransport(BatchTransport):
    """The real transport with the two."""

    Consumer = FakeConsumer
    Producer = FakeProducer
    broker: Broker


class Life:
    """One life of a worker process."""

    def __init__(self, broker: Broker, home: Path, handler: Callable[[Any], Handler], flush_timeout: float) -> None:
        """`handler` makes the handler, given the output."""
        self.broker = broker
        self.app = make_app("lives", "127.0.0.1:9", partitions=broker.partitions, datadir=home, commit_interval=0.02)
        chain = Chain(frozenset({TOPIC}), frozenset({OUT}))
        self.transport = FakeTransport(self.app, lambda cause: None, {}, chain)
        self.transport.broker = broker
        self.transport.output._flush_timeout = flush_timeout
        self.app.transport = self.app.producer_transport = self.transport
        add_agent(self.app, "agent", TOPIC, handler(self.transport.output))

    async def __aenter__(self) -> Life:
        await self.app.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """As SIGTERM does; in bounded time."""
        await asyncio.wait_for(self.app.stop(), 10)

    def committed(self, partition: int = 0) -> Mark:
        """The committed mark of a partition."""
        return self.broker.committed.get((TOPIC, partition), Mark(0, -1))


async def until(condition: Callable[[], object], what: str, deadline: float = 10.0) -> None:
    """Return when the condition holds; fails after `deadline` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while not condition():
        assert loop.time() < end, f"not within {deadline:g} s: {what}"
        await asyncio.sleep(0.005)


def use(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> None:
    """Have outlets produce to this broker, and Faust's tables not sleep for a second before anything starts."""
    monkeypatch.setattr("faust.tables.manager.TableManager.sleep", lambda self, seconds: asyncio.sleep(0))
    monkeypatch.setattr(FakeKafka, "broker", broker, raising=False)
    monkeypatch.setattr("confluent_kafka.Producer", FakeKafka)
