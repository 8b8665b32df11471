"""Counting from outside: what goes in and out of a stage, whatever it says."""

from __future__ import annotations

import pytest

from streams.counted import CountedOutput, counted
from streams.metrics import StageMetrics
from streams.stage import Batch
from tests.unit.fakes import FakeBatch, FakeOutput, FakeRecord


async def test_puts_are_counted_by_the_kind_of_topic() -> None:
    """One record for one taken is its end; what goes elsewhere, or back to where it came from, is not."""
    metrics, sent = StageMetrics("notify", "high"), FakeOutput(full=1)
    output = CountedOutput(sent, metrics, "t.", "events.high")
    with pytest.raises(BufferError):
        output.put("t.notifications.high", 0, b"k", b"v")
    await output.send("t.notifications.high", 0, b"k", b"v")
    output.put("t.notifications.high", 0, b"k", b"v")
    await output.send_all("t.notifications.high", 0, [(b"k", b"v"), (b"k", b"w")])
    output.put("t.events.high", 0, b"k", b"tick")
    output.put("t.outcomes", 0, b"k", b"v", [("a", b"b")])
    assert metrics.forwarded == {"notifications": 4, "events": 1, "outcomes": 1}
    assert metrics.ended == {"forwarded": 4}
    assert (len(sent.sent), sent.sent[-1].headers) == (6, [("a", b"b")])


async def test_a_stage_that_pushes_ends_nothing_by_it() -> None:
    """`store` makes any number of pushes of a notification: its word for each record is `stored`."""
    metrics = StageMetrics("store", "high")
    CountedOutput(FakeOutput(), metrics, "", "notifications.high").put("push.socket.high", 0, b"k", b"v")
    assert (metrics.forwarded, metrics.ended) == ({"push": 1}, {})


async def test_records_are_in_flight_while_a_handler_has_them() -> None:
    """Also those of a handler that failed: the process ends with them."""
    metrics = StageMetrics("notify", "high")
    seen = []

    async def handle(batch: Batch) -> int:
        seen.append(metrics.sums().in_flight)
        if len(seen) == 2:
            raise RuntimeError
        return 7

    handler, batch = (
        counted(handle, metrics, "events.high"),
        FakeBatch("events.high", [FakeRecord(n, b"", b"e") for n in range(3)]),
    )
    assert await handler(batch) == 7
    assert (seen, metrics.sums().in_flight, metrics.sums().batches) == ([3], 0, 1)
    with pytest.raises(RuntimeError):
        await handler(batch)
    assert (metrics.sums().records, metrics.sums().in_flight, metrics.sums().batches) == (6, 3, 1)


async def test_ticks_are_no_records() -> None:
    """What goes in is what comes out, whatever time passes; in `ingest` an empty one is bad input."""
    counts = {}
    for topic in ("events.low", "ingest"):
        metrics = StageMetrics("stage", "low")

        async def handle(batch: Batch) -> int:
            return len(batch.records)

        records = [FakeRecord(0, None, b""), FakeRecord(1, b"", b"e")]
        assert await counted(handle, metrics, topic)(FakeBatch(topic, records)) == 2
        counts[topic] = metrics.sums().records
    assert counts == {"events.low": 1, "ingest": 2}
