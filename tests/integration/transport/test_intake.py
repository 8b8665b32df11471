"""Reading a topic while a partition of it stands: the others are read to their end, later it is too, without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest

from streams.transport import intake as module
from streams.transport.arrivals import Arrivals
from streams.transport.batch import Partition
from streams.transport.intake import Intake
from tests.integration.transport.pipeline import PARTITIONS, Pipeline

EVENTS = 8000
MOST = 100
SLOW = 0


class Reading:
    """An intake and what it has given so far: the offsets of each partition."""

    def __init__(self, servers: str, topic: str) -> None:
        self.places = [(topic, partition) for partition in range(PARTITIONS)]
        self.given: dict[Partition, list[int]] = {place: [] for place in self.places}
        self.paused = 0
        self._closed = {(topic, SLOW)}
        self.arrivals = Arrivals(self, MOST)
        config = {"bootstrap.servers": servers, "group.id": "unused"}
        self.intake = Intake(config, self.arrivals.arrive, self.arrivals.stall, self._fail, MOST)
        self.release, self.resume = self.intake.release, self.intake.resume

    def pause(self, sources: Iterable[Partition]) -> None:
        """Count, and do it."""
        self.paused += 1
        self.intake.pause(sources)

    def begin(self) -> None:
        """Read from the beginning, nothing of the slow partition being taken."""
        self.intake.start()
        self.arrivals.begin(self.intake.assign(dict.fromkeys(self.places)))

    def open(self) -> None:
        """Take of all."""
        self._closed = set()

    def whole(self, ends: dict[int, int], *but: int) -> bool:
        """Whether all partitions but some were given to their end."""
        return all(len(given) == ends[place[1]] for place, given in self.given.items() if place[1] not in but)

    async def until(self, condition: Callable[[], object]) -> None:
        """Take what may be taken until the condition holds."""
        deadline = asyncio.get_running_loop().time() + 30
        while not condition():
            for place, records in self.arrivals.take(lambda source: source not in self._closed).items():
                self.given[place] += [record.offset for record in records]
            assert asyncio.get_running_loop().time() < deadline, {at: len(given) for at, given in self.given.items()}
            await asyncio.sleep(0.001)

    def _fail(self, cause: BaseException) -> None:
        raise AssertionError(cause)


async def test_a_partition_that_stands_holds_up_no_other_and_loses_nothing(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for a tenth of it; it is paused, and read on where it was left."""
    pipeline.create()
    pipeline.fill(EVENTS, duplicates=0.0)
    ends = {partition: len(records) for partition, records in pipeline.read("ingest").items()}
    monkeypatch.setattr(module, "ROOM", EVENTS // PARTITIONS // 10 * module.RECORD)
    monkeypatch.setattr(module, "STALL", 0.02)
    reading = Reading(pipeline.servers, pipeline.prefix + "ingest")
    reading.begin()
    try:
        await reading.until(lambda: reading.whole(ends, SLOW) and reading.paused)
        assert reading.given[reading.places[SLOW]] == []
        reading.open()
        await reading.until(lambda: reading.whole(ends))
    finally:
        await reading.intake.stop()
    assert reading.given == {place: list(range(ends[place[1]])) for place in reading.places}
