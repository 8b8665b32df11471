"""A producer for those who publish events and wait for the broker's word: the edge, the command line, tests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final

import confluent_kafka

#: Where a record is: partition and offset.
Placed = tuple[int, int]
Headers = list[tuple[str, bytes]]

_DEFAULTS: Final[Mapping[str, object]] = {
    "enable.idempotence": True,
    "acks": "all",
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "linger.ms": 0,
    "message.timeout.ms": 30_000,
    "topic.metadata.propagation.max.ms": 5_000,  # after which a topic that is not there is an error
    "log_level": 3,
}
_ANY_PARTITION: Final = -1
_RETRY_AFTER: Final = 0.005  # seconds until a full queue is tried again


class PublishFailed(Exception):
    """The broker did not take a record, or did not say so in time."""


class PublishRefused(PublishFailed):
    """This record can never be taken: it is too large."""


class Publisher:
    """An idempotent producer; a key goes to the partition that every correct client chooses. Threads may share it."""

    def __init__(self, servers: str, **config: object) -> None:
        """`config` holds properties of librdkafka: `Publisher(servers, **{"linger.ms": 5}, **security)`."""
        self._producer: Any = confluent_kafka.Producer({**_DEFAULTS, **config, "bootstrap.servers": servers})
        self._polling = threading.Event()
        self._polling.set()
        self._thread = threading.Thread(target=self._poll, name="publisher", daemon=True)
        self._thread.start()

    async def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        partition: int | None = None,
    ) -> Placed:
        """Partition and offset of the record, once it is safe. Raises PublishFailed."""
        while True:
            try:
                placed = self.submit(topic, key, value, headers, partition)
            except BufferError:
                await asyncio.sleep(_RETRY_AFTER)
            else:
                return await asyncio.wrap_future(placed)

    def publish_sync(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        partition: int | None = None,
    ) -> Placed:
        """The same without an event loop."""
        while True:
            try:
                placed = self.submit(topic, key, value, headers, partition)
            except BufferError:
                time.sleep(_RETRY_AFTER)
            else:
                return placed.result()

    def submit(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        partition: int | None = None,
    ) -> Future[Placed]:
        """Queue a record; the future gets its place or PublishFailed. Raises BufferError while the queue is full."""
        placed: Future[Placed] = Future()

        def delivered(error: Any, message: Any) -> None:
            if error is None:
                placed.set_result((message.partition(), message.offset()))
            else:
                placed.set_exception(_failed(topic, error))

        placed.set_running_or_notify_cancel()  # so that nobody can cancel it: the record is on its way
        number = _ANY_PARTITION if partition is None else partition
        try:
            self._producer.produce(topic, value, key, number, delivered, headers=headers or [])
        except confluent_kafka.KafkaException as error:
            placed.set_exception(_failed(topic, error.args[0]))
        except RuntimeError as error:  # it was closed
            placed.set_exception(PublishFailed(f"{topic}: {error}"))
        return placed

    def login(self, username: str, password: str) -> None:
        """Use these for connections made from now on. From any thread."""
        self._producer.set_sasl_credentials(username, password)

    def close(self, timeout: float = 10.0) -> None:
        """Wait at most `timeout` seconds for what is queued, then end every connection.

        Raises PublishFailed when some of it remains: that is given up.
        """
        left = self._producer.flush(timeout)
        self._polling.clear()
        self._thread.join()
        if left:
            self._producer.purge()
        self._producer.close()
        if left:
            raise PublishFailed(f"not everything was delivered in {timeout:g} s")

    def _poll(self) -> None:
        while self._polling.is_set():
            self._producer.poll(0.1)


def _failed(topic: str, error: Any) -> PublishFailed:
    too_large = error.code() == confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE
    return (PublishRefused if too_large else PublishFailed)(f"{topic}: {error.str()}")
