"""Handlers that hold records back: what is committed meanwhile, and that nothing of it is lost or done twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.logtime import Progress
from streams.stage import Life as PartitionLife
from streams.transport import Handler, Output
from streams.transport.mark import Mark
from tests.unit.transport.fake import OUT, Broker, Life, until, use

RECORDS = 40
GROUP = 13  # records that leave together: over more than three batches, more than may be unfinished
Make = Callable[[Output], Handler]


def grouped(output: Output) -> Handler:
    """Hold records until GROUP of them are there, then pass them on together; of each life for itself."""
    held: dict[PartitionLife, list[Any]] = {}

    async def handle(batch: Any) -> Progress:
        mine = held.setdefault(batch.life, [])
        for record in batch.records:
            mine.append(record)
            if (record.offset + 1) % GROUP == 0:
                for one in mine:
                    output.put(OUT, batch.partition, one.key, one.value)
                mine.clear()
        start = mine[0].offset if mine else batch.end
        return Progress(start, start - 1, 1000 + start)

    return handle


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Forty records in one partition, four a poll."""
    made = Broker(RECORDS)
    use(monkeypatch, made)
    return made


def delivered(broker: Broker) -> list[int]:
    """What was passed on, in order."""
    return [int(value or b"") for value in broker.delivered]


async def test_the_commit_stands_before_what_is_held(broker: Broker, tmp_path: Path) -> None:
    """All that may leave leaves, though more batches are held than may be unfinished; the next life reads the rest."""
    async with Life(broker, tmp_path, grouped, 5.0) as life:
        await until(lambda: life.committed().offset == 39, "three groups are committed")
    assert broker.committed["in", 0] == Mark(39, 38, 1039)
    assert delivered(broker) == list(range(39))
    log = broker.logs["in", 0]
    log += [log[0]._replace(offset=offset, value=b"%d" % offset) for offset in range(RECORDS, 52)]
    async with Life(broker, tmp_path, grouped, 5.0) as life:
        await until(lambda: life.committed().offset == 52, "all is committed")
    assert delivered(broker) == list(range(52))


async def test_what_is_held_is_read_again_after_a_rebalance(broker: Broker, tmp_path: Path) -> None:
    """The old life of the partition is over: nothing that it held leaves, and nothing leaves twice."""
    del broker.logs["in", 0][20:]
    async with Life(broker, tmp_path, grouped, 5.0) as life:
        await until(lambda: life.committed().offset == 13, "a group is committed")
        await life.app.consumer._thread.rebalance()
        log = broker.logs["in", 0]
        log += [log[0]._replace(offset=offset, value=b"%d" % offset) for offset in range(20, 26)]
        await until(lambda: life.committed().offset == 26, "the next too")
    assert delivered(broker) == list(range(26))


async def test_the_clock_of_the_commit_is_that_of_the_next_life(broker: Broker, tmp_path: Path) -> None:
    """The first batch after a restart knows the time of the records before it."""
    broker.committed["in", 0] = Mark(12, 11, 5000)
    seen: list[int] = []

    def watching(output: Output) -> Handler:
        async def handle(batch: Any) -> int:
            seen.append(batch.clock)
            return int(batch.end) - 1

        return handle

    log = broker.logs["in", 0]
    log[15] = log[15]._replace(timestamp=7000)
    async with Life(broker, tmp_path, watching, 5.0) as life:
        await until(lambda: life.committed().offset == RECORDS, "all is committed")
    assert seen[:3] == [5000, 7000, 7000]
    assert broker.committed["in", 0] == Mark(RECORDS, RECORDS - 1, 7000)
