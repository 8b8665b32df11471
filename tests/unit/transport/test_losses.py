"""The ways in which events are lost by committing too much or too early: the same input, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.marker import HEADERS
from streams.transport import DeliveryFailed, Handler, Output
from streams.transport.mark import Mark
from tests.unit.transport.fake import MARKER, OUT, Broker, Life, Rec, until, use

RECORDS = 20
Make = Callable[[Output], Handler]


def seq_of(record: Any) -> int:
    """The number in the value; the offset where there is none."""
    return int(record.value) if record.value and record.value.isdigit() else int(record.offset)


def forward(fail_at: int = -1, gate: asyncio.Event | None = None, gate_at: int = -1) -> Make:
    """Pass on what is above the watermark; raise at one offset, or wait at one."""

    def make(output: Output) -> Handler:
        async def handle(batch: Any) -> int:
            taken: int = batch.watermark()
            for record in batch.records:
                if record.offset == gate_at and gate is not None:
                    await gate.wait()
                if record.offset == fail_at:
                    raise ValueError(f"told to fail at {fail_at}")
                seq = seq_of(record)
                if seq > taken:
                    output.put(OUT, batch.partition, record.key, record.value)
                    taken = seq
            return taken

        return handle

    return make


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Twenty records in one partition, four a poll."""
    made = Broker(RECORDS)
    use(monkeypatch, made)
    return made


@pytest.fixture
def life(broker: Broker, tmp_path: Path) -> Callable[..., Life]:
    """Begin a life with a handler."""

    def begin(make: Make, flush_timeout: float = 5.0) -> Life:
        return Life(broker, tmp_path, make, flush_timeout)

    return begin


async def _finish(life: Callable[..., Life], broker: Broker) -> None:
    """A life without faults: everything is delivered, each record at least once, and committed."""
    async with life(forward()) as good:
        await until(lambda: good.committed() == Mark(RECORDS, RECORDS - 1), "all is committed")
    assert set(broker.delivered) == {b"%d" % number for number in range(RECORDS)}


async def test_all_is_committed_after_all_is_delivered(life: Callable[..., Life], broker: Broker) -> None:
    """The plain case, and that a second life begins where the first ended."""
    await _finish(life, broker)
    assert len(broker.delivered) == RECORDS
    await _finish(life, broker)
    assert len(broker.delivered) == RECORDS


@pytest.mark.parametrize("bad", [0, 5, 7, 19])
async def test_a_handler_that_raises_takes_nothing_with_it(life: Callable[..., Life], broker: Broker, bad: int) -> None:
    """At the first record, within a batch, at its end, at the last: only whole batches before it are committed."""
    async with life(forward(fail_at=bad)) as worker:
        await until(lambda: worker.transport.failure is not None, "it has failed")
        await asyncio.sleep(0.1)  # several commit intervals
    assert isinstance(worker.transport.failure, ValueError)
    assert worker.committed().offset <= bad - bad % broker.per_poll
    await _finish(life, broker)


async def test_no_batch_overtakes_the_failed_one(life: Callable[..., Life], broker: Broker) -> None:
    """The agent is not started again: nothing behind the bad record is put."""
    async with life(forward(fail_at=5)) as worker:
        await until(lambda: worker.transport.failure is not None, "it has failed")
        await asyncio.sleep(0.1)
    assert all(int(value or b"") < 5 for value in broker.delivered)


async def test_a_failed_worker_gets_through_a_rebalance(life: Callable[..., Life]) -> None:
    """With a batch that will never finish, revoking does not wait for it and commits nothing."""
    async with life(forward(fail_at=5)) as worker:
        await until(lambda: worker.transport.failure is not None, "it has failed")
        before = worker.committed()
        await asyncio.wait_for(worker.app.consumer._thread.rebalance(), 5)
        assert worker.committed() == before


async def test_failing_deliveries_commit_nothing(life: Callable[..., Life], broker: Broker) -> None:
    """Every send fails: nothing is committed, not by the timer, not by the stop."""
    broker.refusing = True
    async with life(forward()) as worker:
        await until(lambda: worker.transport.failure is not None, "it has failed")
    assert isinstance(worker.transport.failure, DeliveryFailed)
    assert broker.committed == {}
    broker.refusing = False
    await _finish(life, broker)


async def test_a_commit_waits_for_its_outputs(life: Callable[..., Life], broker: Broker) -> None:
    """A slow broker: nothing is committed while outputs are in memory, everything once they are delivered."""
    gate = asyncio.Event()
    async with life(forward(gate=gate, gate_at=0)) as worker:
        await until(lambda: broker.log, "the session has begun")
        broker.answering.clear()
        gate.set()
        await until(lambda: worker.app.consumer.ledger.committable(), "something is finished")
        await asyncio.sleep(0.1)
        assert broker.committed == {}
        broker.answering.set()
        await until(lambda: worker.committed() == Mark(RECORDS, RECORDS - 1), "all is committed")
    assert len(broker.delivered) == RECORDS


async def test_a_broker_that_never_answers_stops_the_worker(life: Callable[..., Life], broker: Broker) -> None:
    """The flush is bounded: then it is a failure, and nothing was committed."""
    broker.answering.clear()
    async with life(forward(), flush_timeout=0.1) as worker:
        await until(lambda: worker.transport.failure is not None, "it has failed")
    assert broker.committed == {}
    broker.answering.set()
    await _finish(life, broker)


@pytest.mark.parametrize("held", [0, 6, 19])
async def test_nothing_in_work_is_committed(life: Callable[..., Life], broker: Broker, held: int) -> None:
    """A batch hangs at one record: the commit stands before that batch, and after it is let go behind the last."""
    gate = asyncio.Event()
    async with life(forward(gate=gate, gate_at=held)) as worker:
        start = held - held % broker.per_poll
        await until(lambda: worker.committed().offset == start, "what is before is committed")
        await asyncio.sleep(0.1)
        assert worker.committed() == Mark(start, start - 1)
        gate.set()
        await until(lambda: worker.committed() == Mark(RECORDS, RECORDS - 1), "all is committed")


async def test_a_stop_waits_for_the_batch_in_work(life: Callable[..., Life], broker: Broker) -> None:
    """It is finished, delivered and committed; what is only waiting is left for the next life."""
    gate = asyncio.Event()
    async with life(forward(gate=gate, gate_at=6)) as worker:
        await until(lambda: worker.committed().offset == 4, "the first batch is committed")
        stopping = asyncio.ensure_future(worker.stop())
        await asyncio.sleep(0.1)
        assert not stopping.done()
        gate.set()
        await stopping
        assert worker.committed() == Mark(8, 7)
    await _finish(life, broker)


async def test_a_rebalance_replays_nothing_that_is_finished(life: Callable[..., Life], broker: Broker) -> None:
    """Everything is revoked and given back in the middle: each record is delivered once."""
    gate = asyncio.Event()
    async with life(forward(gate=gate, gate_at=10)) as worker:
        await until(lambda: worker.committed().offset == 8, "two batches are committed")
        moving = asyncio.ensure_future(worker.app.consumer._thread.rebalance())
        await asyncio.sleep(0.05)
        gate.set()
        await moving
        await until(lambda: worker.committed() == Mark(RECORDS, RECORDS - 1), "all is committed")
    assert [int(value or b"") for value in broker.delivered] == list(range(RECORDS))


async def test_values_come_as_they_are(life: Callable[..., Life], broker: Broker) -> None:
    """Null and undecodable values reach the handler: nothing is decoded, skipped or acked before it."""
    log = broker.logs["in", 0]
    log[3], log[4] = log[3]._replace(value=None), log[4]._replace(value=b"\xff\x00")
    async with life(forward()) as worker:
        await until(lambda: worker.committed() == Mark(RECORDS, RECORDS - 1), "all is committed")
    assert broker.delivered[3:5] == [None, b"\xff\x00"]


async def test_foreign_metadata_starts_low(life: Callable[..., Life], broker: Broker) -> None:
    """A commit without a watermark: the offset counts, and what follows is taken."""
    broker.committed["in", 0] = Mark(12, -1)
    async with life(forward()) as worker:
        await until(lambda: worker.committed() == Mark(RECORDS, RECORDS - 1), "all is committed")
    assert [int(value or b"") for value in broker.delivered] == list(range(12, RECORDS))


async def test_a_life_begins_with_a_marker_in_each_partition_it_will_write(
    life: Callable[..., Life], broker: Broker
) -> None:
    """Before any record, and once: a rebalance that gives the same partitions back opens nothing anew."""
    async with life(forward()) as worker:
        await until(lambda: worker.committed().offset == RECORDS, "all is committed")
        await worker.app.consumer._thread.rebalance()
    assert broker.log[0] is MARKER
    assert broker.log.count(MARKER) == 1


async def test_markers_are_passed_over_and_committed(life: Callable[..., Life], broker: Broker) -> None:
    """Between records, and alone in their batch: no handler sees them, the commit stands behind them."""
    log = broker.logs["in", 0]
    for offset in (1, 4, 5, 6, 7, 19):
        log[offset] = Rec(offset, None, headers=HEADERS)
    async with life(forward()) as worker:
        await until(lambda: worker.committed() == Mark(RECORDS, RECORDS - 2), "all is committed")
    assert broker.delivered == [b"%d" % number for number in range(RECORDS) if number not in (1, 4, 5, 6, 7, 19)]


async def test_a_second_life_takes_each_event_once(life: Callable[..., Life], broker: Broker) -> None:
    """An upstream replay lies across the commit: the watermark that belongs to it drops the copies and nothing else."""
    seqs = [*range(10), *range(5, 10), *range(10, 15)]
    broker.logs["in", 0][:] = [Rec(offset, b"%d" % seq) for offset, seq in enumerate(seqs)]
    gate = asyncio.Event()
    async with life(forward(fail_at=13, gate=gate, gate_at=12)) as first:
        await until(lambda: first.committed().offset == 12, "all before the bad batch is committed")
        gate.set()
        await until(lambda: first.transport.failure is not None, "it has failed")
    assert first.committed() == Mark(12, 9)
    async with life(forward()) as second:
        await until(lambda: second.committed() == Mark(RECORDS, 14), "all is committed")
    assert [int(value or b"") for value in broker.delivered] == list(range(15))
