"""Partitions side by side: none waits for another's batch, and within each one batch follows the other."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from streams.stage import Handler
from streams.transport import Output
from streams.transport.mark import Mark
from tests.unit.transport.fake import Broker, Life, until, use

RECORDS = 20
PARTITIONS = 3


class Rig:
    """A handler whose partition 0 stands at a gate; it notes what it is given, and what it has at the same time."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.offsets: defaultdict[int, list[int]] = defaultdict(list)
        self.working: Counter[int] = Counter()
        self.most: Counter[int] = Counter()

    def make(self, output: Output) -> Handler:
        """The handler; it puts nothing."""

        async def handle(batch: Any) -> int:
            at = batch.partition
            self.working[at] += 1
            self.most[at] = max(self.most[at], self.working[at])
            if at == 0:
                await self.gate.wait()
            await asyncio.sleep(0)
            self.offsets[at] += [record.offset for record in batch.records]
            self.working[at] -= 1
            return int(batch.records[-1].offset)

        return handle


async def test_a_partition_that_waits_holds_up_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The others are committed whole meanwhile; then it is, in order, with one batch in work at a time."""
    broker, rig = Broker(RECORDS, partitions=PARTITIONS), Rig()
    use(monkeypatch, broker)
    async with Life(broker, tmp_path, rig.make, 5.0) as worker:
        others = range(1, PARTITIONS)
        done = Mark(RECORDS, RECORDS - 1)
        await until(lambda: all(worker.committed(number) == done for number in others), "the others are committed")
        assert (worker.committed(0).offset, rig.offsets[0]) == (0, [])
        rig.gate.set()
        await until(lambda: worker.committed(0) == done, "all is committed")
    assert dict(rig.offsets) == {number: list(range(RECORDS)) for number in range(PARTITIONS)}
    assert set(rig.most.values()) == {1}


async def test_a_rebalance_waits_for_all_that_is_in_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What waited behind it is not begun, and is read again."""
    broker, rig = Broker(RECORDS, partitions=PARTITIONS), Rig()
    use(monkeypatch, broker)
    async with Life(broker, tmp_path, rig.make, 5.0) as worker:
        await until(lambda: rig.working[0], "a batch is in work")
        rebalance = asyncio.create_task(worker.app.consumer._thread.rebalance())
        await asyncio.wait([rebalance], timeout=0.1)
        assert not rebalance.done()
        rig.gate.set()
        await asyncio.wait_for(rebalance, 5)
        await until(lambda: worker.committed(0) == Mark(RECORDS, RECORDS - 1), "all is committed")
    assert rig.offsets[0] == list(range(RECORDS))
