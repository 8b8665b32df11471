"""What liveness goes by: how long there has been something to commit, and no commit; and by whose clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams import worker
from streams.metrics import Metrics
from streams.stage import Handler
from streams.transport import Output, stats
from streams.worker import export, probes
from tests.unit.transport.fake import Broker, Life, until, use

RECORDS = 8


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Eight records in one partition."""
    made = Broker(RECORDS)
    use(monkeypatch, made)
    return made


def taking(gate: asyncio.Event) -> Callable[[Output], Handler]:
    """Takes records, those behind the first eight once the gate is open."""

    def make(output: Output) -> Handler:
        async def handle(batch: Any) -> int:
            if batch.records[-1].offset >= RECORDS:
                await gate.wait()
            return int(batch.records[-1].offset)

        return handle

    return make


async def test_a_worker_that_had_nothing_to_do_is_live_when_something_comes(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time without records is no time without progress; a record that is held too long is."""
    gate = asyncio.Event()
    async with Life(broker, tmp_path, taking(gate), 5.0) as life:
        await until(lambda: life.committed().offset == RECORDS, "all is committed")
        consumer = life.app.consumer
        consumer.progress -= 1000  # so long ago
        await until(lambda: stats(life.app)["since_commit"] < 500, "idle counts as progress")
        for log in broker.logs.values():
            log.append(log[0]._replace(offset=RECORDS))
        await until(lambda: stats(life.app)["partitions"].popitem()[1]["in_flight"], "a record is held")
        seen = probes(life.app, Metrics())
        assert tuple(seen.live()) == (True, "lag 1")
        monkeypatch.setattr(worker, "STUCK_SECONDS", -1.0)
        assert seen.live().good is False
        gate.set()


async def test_records_that_bear_a_time_to_come_are_seen(broker: Broker, tmp_path: Path) -> None:
    """The broker that stamped them has another clock than this process; until it has caught up, log time is ahead."""
    metrics = Metrics()

    def ahead() -> float:
        return metrics.registry.get_sample_value("lockstep_log_clock_ahead_seconds") or 0.0

    gate = asyncio.Event()
    gate.set()
    async with Life(broker, tmp_path, taking(gate), 5.0) as life:
        export(metrics, life.app, {})
        await until(lambda: life.committed().offset == RECORDS, "all is committed")
        assert ahead() == 0.0
        in_two_hours = int(time.time() + 7200) * 1000
        for log in broker.logs.values():
            log += [log[0]._replace(offset=RECORDS, timestamp=in_two_hours), log[0]._replace(offset=RECORDS + 1)]
        await until(lambda: life.committed().offset == RECORDS + 2, "all is committed")
        assert 3600 < ahead() <= 7200
