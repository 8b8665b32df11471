"""What was read before an epoch ended is used by nobody after it: the seek that follows reads it again."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.transport.consumer import BatchConsumer

CHANGELOGS = (TP("seen", 0), TP("seen", 1))


class Consumer(BatchConsumer):
    """One read of both partitions of a table; the epoch ends while the first is handed over."""

    def __init__(self, ends: bool) -> None:
        self.epoch, self.flow_active = 1, True
        self.read_ahead: list[int] = []
        self._ends = ends
        table = SimpleNamespace(read_ahead=lambda partition, records: self.read_ahead.append(partition))
        self.app: Any = SimpleNamespace(
            tables=SimpleNamespace(
                changelog_topics={"seen"}, _changelogs={"seen": table}, changelog_queue=asyncio.Queue()
            ),
            topics=SimpleNamespace(_tp_to_callback=dict.fromkeys(CHANGELOGS, self._deliver)),
            consumer_generation_id=0,
        )  # fmt: skip

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        return self.epoch, {tp: ["record"] for tp in CHANGELOGS}

    async def _deliver(self, message: Any) -> None:
        self.epoch += self._ends

    def _to_message(self, tp: Any, record: Any) -> Any:
        return record


def handed_over(ends: bool) -> list[int]:
    """The partitions whose rows the table was given."""
    consumer = Consumer(ends)
    asyncio.run(consumer._drain_once())
    return consumer.read_ahead


def test_every_partition_of_a_read_is_handed_over() -> None:
    """While the epoch lasts."""
    assert handed_over(ends=False) == [0, 1]


def test_what_is_left_of_a_read_is_dropped_when_its_epoch_ends() -> None:
    """The rows of the second partition may belong to another owner by then."""
    assert handed_over(ends=True) == [0]
