"""What has arrived is handed out as long as its partition has room, however much came at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streams.transport import Handler, Output
from streams.transport.arrivals import Chunk, Fetched
from tests.unit.transport.fake import TOPIC, Broker, Life, until, use

READ = 1500  # records: two of them are more than a batch takes


def last_offset(output: Output) -> Handler:
    """Takes everything."""

    async def handle(batch: Any) -> int:
        return int(batch.records[-1].offset)

    return handle


async def test_the_rest_of_a_burst_does_not_wait_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that end before the partition is full wake nobody: what could be handed out must have been."""
    broker = Broker(0)
    use(monkeypatch, broker)
    async with Life(broker, tmp_path, last_offset, 5.0) as life:
        consumer = life.app.consumer
        await until(consumer.sources, "the partition is assigned")
        for start in (0, READ, 2 * READ):
            records = [Fetched(offset, 0, None, b"", ()) for offset in range(start, start + READ)]
            consumer._arrived(consumer.intake._number, {(TOPIC, 0): Chunk(records, 0)})
        await until(lambda: life.committed().offset == 3 * READ, "all is committed")
