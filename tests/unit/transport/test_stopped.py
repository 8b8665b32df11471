"""A partition that its handler will not go on with: it alone stands, visibly, and nothing of it is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams import worker
from streams.metrics import Metrics
from streams.stage import Handler, PartitionStopped
from streams.transport import Output, stats
from streams.transport.mark import Mark
from streams.worker import export, probes
from tests.unit.transport.fake import OUT, TOPIC, Broker, Life, until, use

RECORDS = 20
BAD = 6  # in the second batch of four


def stopping(partition: int) -> Callable[[Output], Handler]:
    """Pass on everything, but stop one partition at the batch with the bad record."""

    def make(output: Output) -> Handler:
        async def handle(batch: Any) -> int:
            if batch.partition == partition and any(record.offset == BAD for record in batch.records):
                raise PartitionStopped("too many dead letters")
            for record in batch.records:
                output.put(OUT, batch.partition, record.key, b"%d:%d" % (batch.partition, record.offset))
            return int(batch.records[-1].offset)

        return handle

    return make


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Twenty records in each of two partitions, four a poll."""
    made = Broker(RECORDS, partitions=2)
    use(monkeypatch, made)
    return made


@pytest.fixture
def life(broker: Broker, tmp_path: Path) -> Callable[..., Life]:
    """Begin a life in which this partition is stopped."""
    return lambda partition=0: Life(broker, tmp_path, stopping(partition), 5.0)


async def stand(worker: Life) -> None:
    """Wait until the neighbour is done and the stopped partition stands."""
    await until(lambda: worker.committed(1) == Mark(RECORDS, RECORDS - 1), "the neighbour is done")
    await until(lambda: stats(worker.app)["partitions"][TOPIC, 0]["stopped"], "the partition is stopped")
    assert worker.committed(0) == Mark(4, 3)
    assert worker.transport.failure is None


async def test_a_stopped_partition_stands_alone_and_goes_on_after_a_restart(
    life: Callable[..., Life], broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """One line at ERROR; the batches before it are committed; a stop of the process does not wait for it."""
    with caplog.at_level(logging.ERROR):
        async with life() as stopped:
            await stand(stopped)
    assert [record.getMessage() for record in caplog.records] == [
        "in[0] stopped before offset 4: too many dead letters"
    ]
    assert stopped.committed(0) == Mark(4, 3)
    async with life(-1) as repaired:
        await until(lambda: repaired.committed(0) == Mark(RECORDS, RECORDS - 1), "all is committed")
    assert sorted(broker.delivered, key=str) == sorted(
        (b"%d:%d" % (partition, offset) for partition in range(2) for offset in range(RECORDS)), key=str
    )


async def test_a_rebalance_does_not_wait_for_a_stopped_partition_and_leaves_it_stopped(
    life: Callable[..., Life], broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not judged again, which might let some of it through; new records of the neighbour are taken."""
    async with life() as stopped:
        await stand(stopped)
        await asyncio.wait_for(stopped.app.consumer._thread.rebalance(), 5)
        for log in broker.logs.values():
            log += [log[0]._replace(offset=RECORDS)]
        await until(lambda: stopped.committed(1).offset == RECORDS + 1, "the neighbour goes on")
        assert stats(stopped.app)["partitions"][TOPIC, 0]["stopped"] == "too many dead letters"
        assert stopped.committed(0) == Mark(4, 3)
    assert sum("stopped" in record.getMessage() for record in caplog.records) == 1


async def test_a_stopped_partition_is_seen_from_outside_and_kills_nobody(
    life: Callable[..., Life], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not ready, with the reason; live, though there are records to take: a restart would let more of them through."""
    monkeypatch.setattr(worker, "STUCK_SECONDS", 0.0)
    metrics = Metrics()
    async with life() as stopped:
        export(metrics, stopped.app, {})
        await stand(stopped)
        seen = probes(stopped.app, metrics)
        assert tuple(seen.ready()) == (False, "in[0] stopped: too many dead letters")
        assert tuple(seen.live()) == (True, "lag 0")
        assert metrics.registry.get_sample_value("lockstep_stopped_partitions") == 1
        assert metrics.registry.get_sample_value("lockstep_lag_records") == RECORDS - 4
    async with life(-1) as good:
        await until(lambda: good.committed(0).offset == RECORDS, "all is committed")
        assert probes(good.app, metrics).ready().good
