"""The thread that owns aiokafka's consumer: reads what has room, commits with the watermark, seeks to commits.

Line numbers are those of faust-streaming 0.15.3 and aiokafka 0.14.0.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CommitFailedError, ConsumerStoppedError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver

from streams.transport.batch import Partition
from streams.transport.fetches import use_packed
from streams.transport.mark import Mark, decode_metadata, encode_metadata
from streams.transport.runs import Runs
from streams.transport.security import log_in

#: Milliseconds the broker may hold a fetch. Faust has 1500 (drivers/aiokafka.py:615). aiokafka keeps one fetch in
#: flight per node, so a partition left out of it (full, or just drained) waits that long for its next turn.
FETCH_MAX_WAIT_MS: Final = 100
#: Seconds that aiokafka holds back all fetches to a node while one partition has unread data (fetcher.py:395, 584).
PREFETCH_BACKOFF: Final = 0.01
#: Records of one read that are a backlog: nobody lingers before the next.
BACKLOG: Final = 100

#: What one read gave: the epoch it belongs to, and records by partition.
Read = tuple[int | None, dict[Any, list[Any]]]


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Methods with an underscore run in this thread's loop, the others are called from the main loop unless said."""

    mundane_level = "debug"

    _waiter: asyncio.Future[None] | None = None
    _woken = False
    _lingers_until = 0.0  # by the monotonic clock: no read before

    @property
    def _origin(self) -> str:
        origin: str = self.transport.chain.origin
        return origin

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Start the aiokafka consumer."""
        use_packed()
        await super().on_start()
        self._consumer._fetcher._prefetch_backoff = max(PREFETCH_BACKOFF, self.transport.linger)

    def login(self, username: str, password: str) -> None:
        """Use these for connections made from now on."""
        if self._consumer is not None:
            log_in(self._consumer._client, username, password)

    async def _fetch_records(
        self, consumer: Any, active_partitions: Any, timeout: float = 1.0, max_records: int | None = None
    ) -> Read:
        """Wait for data of partitions that have room.

        A full partition stays unread inside aiokafka, which then stops fetching it and goes on with the others: that is
        the whole back-pressure. After a read that gave little it lingers: one record costs about what twenty do.
        """
        fetcher = consumer._fetcher
        await asyncio.sleep(max(0.0, self._lingers_until - time.monotonic()))
        deadline = time.monotonic() + timeout
        with fetcher._subscriptions.fetch_context():
            while self.consumer.flow_active:
                if consumer._closed or fetcher._closed:
                    raise ConsumerStoppedError
                self._woken = False
                epoch, records = await self._read_now(fetcher, max_records)
                if records:
                    little = sum(map(len, records.values())) < BACKLOG
                    self._lingers_until = time.monotonic() + self.transport.linger * little
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
        self._take_runs(fetcher, readable)
        return epoch, await fetcher.fetched_records(readable, timeout=0, max_records=max_records)

    def _take_runs(self, fetcher: Any, readable: set[Partition]) -> None:
        """Have aiokafka's own records handed on, a run at a time; tables need ConsumerRecords."""
        changelogs = self.consumer.changelogs()
        for tp in readable:
            fetched = fetcher._records.get(tp)
            if type(fetched) is FetchResult and tp[0] not in changelogs and type(fetched.getall) is not Runs:
                fetched.getall = Runs(fetched)

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

    async def rewind(self, sources: Iterable[Partition]) -> dict[Partition, Mark]:
        """Seek to what is committed, else to the beginning; return it: offset, watermark, clock from one answer."""
        marks: dict[Partition, Mark] = await self.call_thread(self._rewind, list(sources))
        return marks

    async def _rewind(self, sources: list[Partition]) -> dict[Partition, Mark]:
        consumer = self._ensure_consumer()
        wanted = [TopicPartition(*source) for source in sources]
        committed = await consumer._coordinator.fetch_committed_offsets(wanted)
        for tp in wanted:
            if tp in committed:
                consumer.seek(tp, committed[tp].offset)
            else:
                await consumer.seek_to_beginning(tp)
        return {(tp[0], tp[1]): decode_metadata(at.offset, at.metadata, self._origin) for tp, at in committed.items()}

    def end_of(self, source: Partition) -> int | None:
        """Offset after the partition's last record, as of the last fetch; None while unknown. From any thread."""
        tp = TopicPartition(*source)
        consumer = self._consumer
        try:
            end: int | None = consumer._subscription.subscription.assignment.state_value(tp).highwater
        except (AttributeError, KeyError):
            return None  # not started, or not assigned (any more)
        return end
