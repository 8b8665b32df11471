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
from collections.abc import Mapping
from contextlib import suppress
from itertools import product
from typing import Any

from faust.types import TP, ConsumerMessage

from streams.failpoints import reach
from streams.transport.arrivals import Arrivals, Chunk, Fetched
from streams.transport.batch import Batch, Partition
from streams.transport.changelogs import ChangelogConsumer
from streams.transport.figures import partition_stats
from streams.transport.intake import Intake
from streams.transport.ledger import Ledger
from streams.transport.mark import Mark
from streams.transport.thread import ConsumerThread

log = logging.getLogger(__name__)

LOOK_AGAIN = 0.2  # seconds after which a wait for batches looks whether there was a failure


class BatchConsumer(ChangelogConsumer):
    """One event per (topic, read), with a batch of each partition.

    Inputs are read by the `Intake`, changelogs by aiokafka, whose consumer is also who is in the group.
    """

    mundane_level = "debug"  # for "Starting..." and the like

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger = Ledger(self._on_finish)
        self.intake = self._new_intake()
        self.arrivals = Arrivals(self.intake, self._most)
        self._work = asyncio.Event()  # something has arrived, or there is room for it
        self.progress = time.monotonic()  # when a commit last succeeded, or there was nothing to commit
        self._sought: set[Partition] = set()  # at their commit, and the flow resumed since
        self._seeking: set[Partition] = set()  # at their commit, the flow not yet resumed
        self._committing = asyncio.Lock()
        self._finished = asyncio.Event()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _new_intake(self) -> Intake:
        transport = self.transport
        return Intake(
            transport.reading, self._arrived, self._stalled, transport.fail, most=self._most, linger=transport.linger
        )

    @property
    def _most(self) -> int:
        """Records that one read gives, and one batch holds, at most."""
        most: int = self.app.conf.broker_max_poll_records
        return most

    async def on_start(self) -> None:
        """Connect, and begin to hand out."""
        await super().on_start()
        self.intake.start()
        self.add_future(self._hand_out_arrivals())

    async def on_stop(self) -> None:
        """Commit what is finished, and read no more."""
        await super().on_stop()
        await self.intake.stop()

    def login(self, username: str, password: str) -> None:
        """Use these for connections made from now on."""
        self._thread.login(username, password)
        self.intake.login(username, password)

    def sources(self) -> set[Partition]:
        """Input partitions that are ours and sought. From any thread."""
        return set(self._sought)

    def end_of(self, source: Partition) -> int | None:
        """Offset after the last record of a partition, None while unknown. From any thread."""
        return self.intake.end_of(source)

    # -- flow

    def _on_finish(self, room: bool) -> None:
        self._finished.set()
        if room:
            self._work.set()

    def stop_flow(self) -> None:
        """Read and hand out nothing, and begin no batch, until the next seek."""
        self.ledger.close()
        self.epoch += 1
        self._sought = self._seeking = set()
        self._read_from({})
        super().stop_flow()

    def _read_from(self, positions: Mapping[Partition, Mark | None]) -> None:
        """Nothing that was read before is used from now on."""
        self.arrivals.begin(self.intake.assign(positions))

    def resume_flow(self) -> None:
        """Go on, and look at once.

        Faust empties the queues of all agents between its seek and this (tables/recovery.py:659): what was handed out
        by then would never be handled, and what follows it would.
        """
        super().resume_flow()
        self._sought = self._sought | self._seeking
        self._seeking = set()
        self._work.set()
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

    def _arrived(self, number: int, found: Mapping[Partition, Chunk]) -> None:
        self.arrivals.arrive(number, found)
        self._work.set()

    def _stalled(self) -> None:
        self.arrivals.stall()

    async def _hand_out_arrivals(self) -> None:
        """Whenever there is something for a partition with room, until the consumer stops."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while self.flow_active and (fetched := self.arrivals.take(self._has_room)):
                    await self._hand_out(fetched)
        except Exception as error:
            self.transport.fail(error)
            raise

    def _has_room(self, source: Partition) -> bool:
        """Faust resumes the flow before it seeks (tables/recovery.py:649): nothing is handed out of one not sought."""
        return source in self._sought and self.ledger.has_room(source)

    async def _hand_out(self, fetched: Mapping[Partition, list[Fetched]]) -> None:
        """The batches of a topic as one event: an event's way through Faust takes as long as a batch of several.

        No await between the test of the flow and the agents' queues: it cannot change in between.
        """
        if fetched:
            reach("transport.polled")
        callbacks = self.app.topics._tp_to_callback
        batches: dict[str, list[Batch]] = {}
        for source, records in fetched.items():
            if source in callbacks:  # not Conductor.on_message: that waits for a lock first
                batches.setdefault(source[0], []).append(self._batch(source, records))
        for own in batches.values():
            await callbacks[TP(*own[0].source)](_message(own, self.app.consumer_generation_id))

    def _batch(self, source: Partition, records: list[Fetched]) -> Batch:
        marked = source[0] in self.transport.chain.reads
        batch, missing = self.ledger.hand_out(*source, records, marked=marked)
        if missing:
            log.error("%s[%d]: %d offsets are missing before %d", *source, missing, records[0].offset)
        return batch

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
        committed = await self._thread.committed(tps)
        await self._open_outputs({tp.partition for tp in tps})
        self._forget(tps)
        self.ledger.keep_stopped(tps)
        for tp in tps:
            self.ledger.start(tp, committed.get(tp))
        self._read_from({tp: committed.get(tp) for tp in tps})
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
