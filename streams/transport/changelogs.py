"""Faust's consumer, reading the changelogs of tables when these are to be made whole. Inputs are not its matter.

Line numbers are those of faust-streaming 0.15.3.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.transport.batch import Partition

#: Changelog records that may wait for the tables during recovery.
MAX_CHANGELOG_RECORDS: Final = 2000
POLL: Final = 1.0  # seconds that one fetch waits for data


class ChangelogConsumer(driver.Consumer):
    """Hands what aiokafka has read to the tables, those of ours a read at a time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epoch = 0  # changes whenever what was fetched before must not be used

    def changelogs(self) -> set[str]:
        """Topics of the tables."""
        topics: set[str] = self.app.tables.changelog_topics
        return topics

    def readable(self) -> set[Partition]:
        """Changelogs that Faust wants. Called from the consumer's thread: single steps on sets only."""
        changelogs = self.changelogs()
        return {tp for tp in set(self._active_partitions) if tp.topic in changelogs}

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
        for tp, records in fetched.items():
            if self._is_current(epoch):  # the tables may have had the one before wait
                await self._hand_to_tables(epoch, TP(tp.topic, tp.partition), records)
        await asyncio.sleep(0)

    def _is_current(self, epoch: int | None) -> bool:
        """Whether what was read in it may be used: else the seek that comes with every resume reads it again."""
        return epoch == self.epoch and self.flow_active

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
