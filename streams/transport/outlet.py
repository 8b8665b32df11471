"""Where stages put records: one librdkafka producer a process, whose log on the broker never has a hole."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import confluent_kafka

from streams.marker import HEADERS
from streams.stage import Packed
from streams.transport.failure import DeliveryFailed, Failure, OversizedRecord

Headers = list[tuple[str, bytes]]
_Record = tuple[str, int, bytes | None, bytes | None, Headers | None]

#: The replay watermark needs more than idempotence: without the gapless guarantee librdkafka goes on behind a batch
#: that failed for good, and a message that times out leaves a hole in any case.
GAPLESS: Final[Mapping[str, object]] = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "message.timeout.ms": 0,
    "acks": "all",
}
DEFAULTS: Final[Mapping[str, object]] = {
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "linger.ms": 5,
    "delivery.report.only.error": True,
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 262_144,
    "log_level": 3,
}
_SLICE: Final = 0.5  # seconds after which a flush looks whether something has failed
_RETRY_AFTER: Final = 0.005  # seconds until a full queue is tried again
#: Seconds in which records of a topic that nobody waits for are gathered: a request is for one partition, and costs the
#: client and the broker about as much as its records do.
GATHER_S: Final = 0.1
#: Seconds after which sessions begin anew. A broker forgets a producer that was silent for a day, and takes any
#: sequence from one that it does not know (`producer.id.expiration.ms`).
_SESSION: Final = 12 * 3600.0


class NotOpen(BufferError):
    """The session has not begun in this partition; `send` begins it."""


class Outlet:
    """The outputs of all stages of a process, in one order but for what is gathered; one flush before each commit.

    The session begins in each partition of a `marked` topic with a marker that is on the broker before anything else
    is sent there. A broker takes any first sequence of a producer it does not know: were the first batch in flight lost
    and the second taken, the first could never be appended any more.
    """

    def __init__(
        self,
        config: Mapping[str, object],
        failure: Failure,
        flush_timeout: float = 60.0,
        marked: frozenset[str] = frozenset(),
        gathered: frozenset[str] = frozenset(),
    ) -> None:
        """`config` is librdkafka's and cannot change what makes the log gapless. `flush_timeout` is in seconds.

        What is sent to a `gathered` topic, none of which is marked, may leave later than what is sent after it.
        """
        self._marked = marked
        self._gathers = gathered
        self._gathered: deque[_Record] = deque()
        self._begun: set[tuple[str, int]] = set()
        self._begin_anew_at = time.monotonic() + _SESSION
        self._failure = failure
        self._flush_timeout = flush_timeout
        self._producer: Any = confluent_kafka.Producer({**DEFAULTS, **config, **GAPLESS, "error_cb": self._on_error})
        self._produce = self._producer.produce
        self._flushes = 0
        self._open = asyncio.Event()
        self._open.set()
        self._polling = threading.Event()
        self._pool = ThreadPoolExecutor(1, "flush")

    def login(self, username: str, password: str) -> None:
        """Use these for connections made from now on. From any thread."""
        self._producer.set_sasl_credentials(username, password)

    def put(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
    ) -> None:
        """Queue one record.

        Raises BufferError while the local queue is full or the partition is not open, and OversizedRecord for a record
        that can never be sent; none leaves a hole. Anything else that goes wrong now or later is a failure of the
        process.
        """
        if (topic, partition) not in self._begun and topic in self._marked:
            raise NotOpen
        self._queue(topic, partition, key, value, headers)

    def _queue(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None
    ) -> None:
        try:
            if headers:
                self._produce(topic, value, key, partition, self._on_delivery, headers=headers)
            else:
                self._produce(topic, value, key, partition, self._on_delivery)
        except confluent_kafka.KafkaException as error:
            raise self._refused(error, topic, partition, key, value) from error

    async def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
    ) -> None:
        """Queue one record, waiting for room, and for the partition to be open.

        Raises OversizedRecord, or DeliveryFailed once the process has failed.
        """
        if topic in self._gathers:
            self._gather((topic, partition, key, value, headers))
            return
        await self.open([(topic, partition)])
        await self._send(topic, partition, key, value, headers)

    async def send_all(self, topic: str, partition: int, records: Sequence[Packed]) -> None:
        """Queue records of one partition, in order: what `send` does with each, at a fraction of its cost."""
        await self.open([(topic, partition)])
        produce, report = self._produce, self._on_delivery
        for key, value in records:
            try:
                produce(topic, value, key, partition, report)
            except BufferError:
                await self._send(topic, partition, key, value, None)
            except confluent_kafka.KafkaException as error:
                raise self._refused(error, topic, partition, key, value) from error

    async def open(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Begin the session in those of these partitions that need it, all at once. Raises DeliveryFailed."""
        fresh = [at for at in partitions if at not in self._begun and at[0] in self._marked]
        for topic, partition in fresh:
            await self._send(topic, partition, None, None, HEADERS)
        if fresh:
            await self.flush()
            self._begun.update(fresh)

    async def _send(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None
    ) -> None:
        while True:
            try:
                return self._queue(topic, partition, key, value, headers)
            except BufferError:
                await asyncio.sleep(_RETRY_AFTER)
            if self._failure.cause is not None:
                raise DeliveryFailed(str(self._failure.cause)) from self._failure.cause

    def _gather(self, record: _Record) -> None:
        self._gathered.append(record)
        if len(self._gathered) == 1:
            asyncio.get_running_loop().call_later(GATHER_S, self._let_go)

    def _let_go(self) -> None:
        """Queue what is gathered, in order, for as long as there is room."""
        gathered = self._gathered
        try:
            while gathered:
                self._queue(*gathered[0])
                gathered.popleft()
        except BufferError:
            asyncio.get_running_loop().call_later(_RETRY_AFTER, self._let_go)
        except Exception as error:
            self._failure.fail(error)

    async def turn(self) -> None:
        """Wait while a commit flushes. A batch begun meanwhile would keep the queue from ever being empty."""
        if time.monotonic() > self._begin_anew_at:
            self._begin_anew_at = time.monotonic() + _SESSION
            self._begun.clear()
        if self._flushes:
            await self._open.wait()

    async def flush(self) -> None:
        """Return when everything put so far is on the broker. Raises DeliveryFailed when it is not, or not in time."""
        self._flushes += 1
        self._open.clear()
        try:
            await self._let_all_go()
            left = await asyncio.get_running_loop().run_in_executor(self._pool, self._flush)
        except Exception as error:  # KafkaException; after a fatal error SystemError too, from within the client
            raise DeliveryFailed(str(error)) from error
        finally:
            self._flushes -= 1
            if not self._flushes:
                self._open.set()
        if self._failure.cause is not None:
            raise DeliveryFailed(str(self._failure.cause)) from self._failure.cause
        if left:
            raise DeliveryFailed(f"up to {left} records not on the broker after {self._flush_timeout:g} s")

    async def _let_all_go(self) -> None:
        """All that was gathered is queued when this returns, or something has failed."""
        while True:
            self._let_go()
            if not self._gathered or self._failure.cause is not None:
                return
            await asyncio.sleep(_RETRY_AFTER)

    def _flush(self) -> int:
        """Records that are not on the broker when all are, or the time is over, or something has failed.

        The client counts its own reports with them, such as that a broker is away.
        """
        deadline = time.monotonic() + self._flush_timeout
        while True:
            left: int = self._producer.flush(min(_SLICE, self._flush_timeout))
            if not left or self._failure.cause is not None or time.monotonic() > deadline:
                return left

    def start(self) -> None:
        """Serve delivery reports from a thread of its own."""
        self._polling.set()
        threading.Thread(target=self._poll, name="outlet", daemon=True).start()

    def stop(self) -> None:
        """Serve no more reports."""
        self._polling.clear()
        self._pool.shutdown(wait=False)

    def _poll(self) -> None:
        try:
            while self._polling.is_set():
                self._producer.poll(0.1)
        except Exception as error:  # KafkaException once librdkafka is in its fatal state
            self._failure.fail(DeliveryFailed(str(error)))

    def _on_error(self, error: Any) -> None:
        if error.fatal():
            self._failure.fail(DeliveryFailed(str(error)))

    def _on_delivery(self, error: Any, message: Any) -> None:
        if error is not None:
            self._failure.fail(DeliveryFailed(f"{message.topic()}[{message.partition()}]: {error}"))

    def _refused(
        self, error: Any, topic: str, partition: int, key: bytes | None, value: bytes | None
    ) -> OversizedRecord | DeliveryFailed:
        where = f"{topic}[{partition}]"
        if error.args[0].code() == confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE:
            return OversizedRecord(f"{where}: {len(key or b'') + len(value or b'')} bytes are too many")
        failed = DeliveryFailed(f"{where}: {error}")
        self._failure.fail(failed)
        return failed
