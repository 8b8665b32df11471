"""Faust's consumer, handing out batches and committing exactly what is finished.

Three promises: a commit covers only batches whose handler returned, and only after every output is on the broker; the
replay watermark in its metadata belongs to exactly the committed offset; after the first failure nothing is committed.
Faust's own acks still run and mean nothing: offsets come from `Batch.done`.
Line numbers are those of faust-streaming 0.15.3.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from itertools import product
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.failpoints import reach
from streams.transport.batch import Batch, Partition
from streams.transport.figures import partition_stats
from streams.transport.ledger import Ledger
from streams.transport.mark import Mark
from streams.transport.thread import ConsumerThread

log = logging.getLogger(__name__)

#: Changelog records that may wait for the tables during recovery.
MAX_CHANGELOG_RECORDS = 2000
LOOK_AGAIN = 0.2  # seconds after which a wait for batches looks whether there was a failure
POLL = 1.0  # seconds that one fetch waits for data


class BatchConsumer(driver.Consumer):
    """One event per (topic, poll), with a batch of each partition."""

    mundane_level = "debug"  # for "Starting..." and the like

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger = Ledger(self._on_finish)
        self.epoch = 0  # changes whenever what was fetched before must not be used
        self.progress = time.monotonic()  # when a commit last succeeded, or there was nothing to commit
        self._sought: set[Partition] = set()  # at their commit, and the flow resumed since
        self._seeking: set[Partition] = set()  # at their commit, the flow not yet resumed
        self._committing = asyncio.Lock()
        self._finished = asyncio.Event()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def login(self, username: str, password: str) -> None:
        """Use these for connections made from now on."""
        self._thread.login(username, password)

    def sources(self) -> set[Partition]:
        """Input partitions that are ours and sought. From any thread."""
        return set(self._sought)

    def end_of(self, source: Partition) -> int | None:
        """Offset after the last record of a partition, None while unknown. From any thread."""
        end: int | None = self._thread.end_of(source)
        return end

    # -- flow

    def changelogs(self) -> set[str]:
        """Topics of the tables."""
        topics: set[str] = self.app.tables.changelog_topics
        return topics

    def readable(self) -> set[Partition]:
        """Active partitions with room. Called from the consumer's thread: single steps on sets and deques only.

        Faust resumes the partitions before it seeks, with the flow running since the recovery (tables/recovery.py:649);
        records read in between would be handed out ahead of those that the seek brings back, and these then dropped.
        """
        sought, has_room, changelogs = self._sought, self.ledger.has_room, self.changelogs()
        return {tp for tp in set(self._active_partitions) if (tp in sought and has_room(tp)) or tp.topic in changelogs}

    def _on_finish(self, room: bool) -> None:
        self._finished.set()
        if room:
            self._thread.wake()

    def stop_flow(self) -> None:
        """Hand out nothing, and begin no batch, until the next seek."""
        self.ledger.close()
        self.epoch += 1
        self._sought = self._seeking = set()
        super().stop_flow()

    def resume_flow(self) -> None:
        """Go on, and look at once.

        Faust empties the queues of all agents between its seek and this (tables/recovery.py:659): what was handed out
        by then would never be handled, and what follows it would.
        """
        super().resume_flow()
        self._sought = self._sought | self._seeking
        self._seeking = set()
        self._thread.wake()

    def resume_partitions(self, tps: Any) -> None:
        """Read these again, and look at once."""
        super().resume_partitions(tps)
        self._thread.wake()

    def on_buffer_full(self, tp: Any) -> None:
        """Faust's own back-pressure (consumer.py:547) is off: the ledger's room replaces it."""

    def on_buffer_drop(self, tp: Any) -> None:
        """See `on_buffer_full`."""

    async def verify_all_partitions_active(self) -> None:
        """Faust's watch over idle partitions is off: it logs false alarms; liveness is judged by the commits."""

    # -- records to agents and tables

    async def _drain_messages(self, fetcher: Any) -> None:
        """Replaces the original (consumer.py:1170): no task per message, no read offset that a late callback spoils."""
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                elif not self._active_partitions:
                    await asyncio.sleep(0.01)
                else:
                    await self._drain_once()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise
        except Exception as error:
            self.transport.fail(error)
            raise

    async def _drain_once(self) -> None:
        epoch, fetched = await self._getmany(None, POLL)
        if fetched:
            reach("transport.polled")
        if self._is_current(epoch):
            await self._hand_out(fetched)
        for tp, records in fetched.items():
            if tp.topic in self.changelogs() and self._is_current(epoch):  # the tables may have had it wait
                await self._hand_to_tables(epoch, TP(tp.topic, tp.partition), records)
        await asyncio.sleep(0)

    def _is_current(self, epoch: int | None) -> bool:
        """Whether what was read in it may be used: else the seek that comes with every resume reads it again."""
        return epoch == self.epoch and self.flow_active

    async def _hand_out(self, fetched: dict[Any, list[Any]]) -> None:
        """The batches of a topic as one event: an event's way through Faust takes as long as a batch of several.

        No await between the test of the epoch and the agents' queues: flow and epoch cannot change in between.
        """
        callbacks, changelogs = self.app.topics._tp_to_callback, self.changelogs()
        batches: dict[str, list[Batch]] = {}
        for tp, records in fetched.items():
            if tp.topic not in changelogs and tp in callbacks:  # not Conductor.on_message: that waits for a lock first
                batches.setdefault(tp.topic, []).append(self._batch(tp, records))
        for own in batches.values():
            await callbacks[TP(*own[0].source)](_message(own, self.app.consumer_generation_id))

    def _batch(self, tp: Any, records: list[Any]) -> Batch:
        marked = tp.topic in self.transport.chain.reads
        batch, missing = self.ledger.hand_out(tp.topic, tp.partition, records, marked=marked)
        if missing:
            log.error("%s[%d]: %d offsets are missing before %d", *tp, missing, records[0].offset)
        return batch

    async def _hand_to_tables(self, epoch: int, tp: Any, records: list[Any]) -> None:
        deliver = self.app.topics._tp_to_callback.get(tp)
        read_ahead = getattr(self.app.tables._changelogs.get(tp.topic), "read_ahead", None)
        if read_ahead is not None:  # a table of ours: Faust need only know how far it is
            read_ahead(tp.partition, records[:-1])
            records = records[-1:]
        for record in records:
            if deliver is None or not await self._tables_have_room(epoch):
                return
            await deliver(self._to_message(tp, record))

    async def _tables_have_room(self, epoch: int) -> bool:
        """Wait until the tables may be given another record; False when the epoch has ended."""
        queue = self.app.tables.changelog_queue
        while epoch == self.epoch:
            if queue.qsize() < MAX_CHANGELOG_RECORDS:
                return True
            await asyncio.sleep(0.001)
        return False

    # -- rebalance

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """The original (consumer.py:642) forgets what is acked before it commits, so every rebalance replays."""
        await self._on_partitions_revoked(revoked)  # stops the flow, waits for the batches in work, commits
        if revoked:
            reach("rebalance.revoked")
        self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        self._forget(revoked)

    def _forget(self, tps: set[Any]) -> None:
        self.ledger.forget(tps)
        for tp in tps:
            for book in (self._acked, self._acked_index, self._committed_offset, self._read_offset):
                book.pop(tp, None)

    async def perform_seek(self) -> None:
        """Back to what is committed, offset and watermark together. Faust calls it before each resume."""
        self.epoch += 1
        self._sought = self._seeking = set()
        changelogs = self.changelogs()
        tps = {tp for tp in self.assignment() if tp.topic not in changelogs}
        reach("rebalance.seeking")
        committed = await self._thread.rewind(tps)
        await self._open_outputs({tp.partition for tp in tps})
        self._forget(tps)
        self.ledger.keep_stopped(tps)
        for tp in tps:
            self.ledger.start(tp, committed.get(tp))
        self.epoch += 1  # again: what was fetched during the seek is from before it
        self._seeking = set(tps)
        self.ledger.open()

    async def _open_outputs(self, partitions: set[int]) -> None:
        """Have the producer's session begun wherever these partitions lead, before there is a record to send there."""
        try:
            await self.transport.output.open(product(self.transport.chain.writes, partitions))
        except Exception as error:
            self.transport.fail(error)

    # -- commit

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """The original has a second caller return without a commit (consumer.py:936): a stop would lose its own."""
        async with self._committing:
            return await self.force_commit()

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Flush the outputs, then commit what was finished before the flush. False when nothing was committed."""
        marks = self.ledger.committable()
        for tp in marks:  # Faust's acks are not used for offsets; keep them from growing
            self._acked[tp].clear()
            self._acked_index[tp].clear()
        if not marks and self._is_idle():
            self.progress = time.monotonic()
        if not marks or self.transport.failure is not None:
            return False
        try:
            return await self._flush_and_commit(marks)
        except Exception as error:
            self.transport.fail(error)
            return False

    def _is_idle(self) -> bool:
        """Whether all that there is has been committed, but for what a handler will not go on with."""
        figures = (partition_stats(self, tp) for tp in self.sources())
        return all(each["stopped"] or max(each["committed"], 0) >= each["highwater"] for each in figures)

    async def _flush_and_commit(self, marks: dict[Partition, Mark]) -> bool:
        generation = self.app.consumer_generation_id
        reach("commit.begun")
        await self.transport.output.flush()
        reach("commit.flushed")
        if self.transport.failure is not None or generation != self.app.consumer_generation_id:
            return False
        committed = await self._thread.commit(marks)
        reach("commit.done")
        self.ledger.settle(committed)
        if committed:
            self.progress = time.monotonic()
        return bool(committed)

    async def on_task_error(self, exc: BaseException) -> None:
        """Faust commits when an agent raises (consumer.py:1153)."""
        self.transport.fail(exc)

    async def wait_empty(self) -> None:
        """Wait for the batches in work, then commit. After a failure there is nothing worth waiting for."""
        while self.transport.failure is None and not self.should_stop and not self.ledger.idle():
            self._finished.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._finished.wait(), LOOK_AGAIN)
        await self.commit()


def _message(batches: list[Batch], generation: int) -> Any:
    """Batches of one topic as the one Faust message that they are to the rest of Faust: as of the first partition."""
    tp, first = TP(*batches[0].source), batches[0]
    offset, at = first.end - 1, first.clock_after / 1000.0
    return ConsumerMessage(*tp, offset, at, 0, (), None, batches, None, 0, 0, tp, generation_id=generation)
