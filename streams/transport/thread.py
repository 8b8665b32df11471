"""The thread that owns aiokafka's consumer: a member of the group, which reads changelogs and commits with watermarks.

Line numbers are those of faust-streaming 0.15.3 and aiokafka 0.14.0.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from aiokafka.errors import CommitFailedError, ConsumerStoppedError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver

from streams.transport.batch import Partition
from streams.transport.mark import Mark, decode_metadata, encode_metadata
from streams.transport.security import log_in

#: Seconds that aiokafka holds back all fetches to a node while one partition has unread data (fetcher.py:395, 584).
PREFETCH_BACKOFF: Final = 0.01

#: What one read gave: the epoch it belongs to, and records by partition.
Read = tuple[int | None, dict[Any, list[Any]]]


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Methods with an underscore run in this thread's loop, the others are called from the main loop unless said."""

    mundane_level = "debug"

    _waiter: asyncio.Future[None] | None = None
    _woken = False

    @property
    def _origin(self) -> str:
        origin: str = self.transport.chain.origin
        return origin

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        self._leave_inputs(consumer._subscription)
        return consumer

    def _leave_inputs(self, subscription: Any) -> None:
        """Have aiokafka read changelogs alone, from the moment on at which it is assigned partitions."""
        assign = subscription.assign_from_subscribed

        def assigned(partitions: set[Any]) -> None:
            assign(partitions)
            changelogs = self.consumer.changelogs()
            for tp in partitions:
                if tp.topic not in changelogs:
                    subscription.pause(tp)

        subscription.assign_from_subscribed = assigned

    async def on_start(self) -> None:
        """Start the aiokafka consumer."""
        await super().on_start()
        self._consumer._fetcher._prefetch_backoff = PREFETCH_BACKOFF

    def login(self, username: str, password: str) -> None:
        """Use these for connections made from now on."""
        if self._consumer is not None:
            log_in(self._consumer._client, username, password)

    async def _fetch_records(
        self, consumer: Any, active_partitions: Any, timeout: float = 1.0, max_records: int | None = None
    ) -> Read:
        """Wait for data of changelogs. Being here is also what tells aiokafka that its consumer is alive."""
        fetcher = consumer._fetcher
        deadline = time.monotonic() + timeout
        with fetcher._subscriptions.fetch_context():
            while self.consumer.flow_active:
                if consumer._closed or fetcher._closed:
                    raise ConsumerStoppedError
                self._woken = False
                epoch, records = await self._read_now(fetcher, max_records)
                if records:
                    return epoch, records
                if not await self._wait_for_data(fetcher, deadline - time.monotonic()):
                    break
        return None, {}

    async def _read_now(self, fetcher: Any, max_records: int | None) -> Read:
        """What has arrived. The epoch is that of the read, not of the call, which may have begun before a seek and read
        after it: what the drain then dropped as old would never be read again. So nothing here may really wait between
        taking the epoch and the read, and aiokafka does wait during a reassignment."""
        epoch: int = self.consumer.epoch
        readable = self.consumer.readable()
        if not readable or epoch != self.consumer.epoch or fetcher._subscriptions.reassignment_in_progress:
            return None, {}  # never ask for an empty set: it means all to aiokafka
        return epoch, await fetcher.fetched_records(readable, timeout=0, max_records=max_records)

    async def _wait_for_data(self, fetcher: Any, timeout: float) -> bool:
        if timeout <= 0:
            return False
        if not self._woken:
            self._waiter = fetcher._create_fetch_waiter()
            await asyncio.wait([self._waiter], timeout=timeout)
            self._waiter = None
        return True

    def wake(self) -> None:
        """Look again for readable partitions. From any thread."""
        if self._consumer is not None:
            self.thread_loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def commit(self, marks: dict[Partition, Mark]) -> dict[Partition, Mark]:
        """Commit offsets with their watermarks. Returns what was committed: not what a rebalance took away."""
        committed: dict[Partition, Mark] = await self.call_thread(self._commit_marks, marks)
        return committed

    async def _commit_marks(self, marks: dict[Partition, Mark]) -> dict[Partition, Mark]:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        ours = {source: mark for source, mark in marks.items() if source in assigned}
        if not ours:
            return {}
        try:
            await consumer.commit(
                {
                    TopicPartition(*source): OffsetAndMetadata(mark.offset, encode_metadata(mark, self._origin))
                    for source, mark in ours.items()
                }
            )
        except CommitFailedError as error:
            if "already rebalanced" in str(error):
                return {}
            raise
        return ours

    async def committed(self, sources: Iterable[Partition]) -> dict[Partition, Mark]:
        """What is committed: offset, watermark, clock from one answer; of partitions where nothing is, nothing."""
        marks: dict[Partition, Mark] = await self.call_thread(self._committed, list(sources))
        return marks

    async def _committed(self, sources: list[Partition]) -> dict[Partition, Mark]:
        wanted = [TopicPartition(*source) for source in sources]
        committed = await self._ensure_consumer()._coordinator.fetch_committed_offsets(wanted)
        return {(tp[0], tp[1]): decode_metadata(at.offset, at.metadata, self._origin) for tp, at in committed.items()}
