"""Records as they were read, and whole batches of them through the router's handler."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Message

from agents.route import Router
from bench.route import load
from streams.native.kernel import nothing_plain
from streams.record import Record
from streams.seen import SeenEntry, SeenState, SeenVerdict
from streams.transport.arrivals import Fetched
from streams.transport.intake import chunk_of
from tests.unit.fakes import NOW, FakeBatch, FakeOutput, make_stage

EVENTS = 2000
PARTITIONS = 8


class Table:
    """The state of one partition, without a changelog."""

    def __init__(self, partition: int) -> None:
        self._state = SeenState(partition, 600_000)

    async def judge(self, partition: int, entries: Sequence[SeenEntry]) -> list[SeenVerdict]:
        """A verdict for each entry."""
        return self._state.judge(entries)[0]


def fetched(partition: int) -> list[Fetched]:
    """Events of the benchmark that belong on a partition, as a read of the intake gives them."""
    began = datetime.fromtimestamp(NOW / 1000, UTC)
    messages: list[Message] = []
    for event in map(load.plan, range(EVENTS)):
        if load.home(event.account, PARTITIONS) == partition:
            place, value = len(messages), load.value_of(event, began)
            messages.append(
                Message(
                    topic="ingest", partition=partition, offset=place, timestamp=(2, NOW + place),
                    key=event.account.encode(), value=value, headers=load.HEADERS,
                )
            )  # fmt: skip
    return chunk_of(messages).records


async def handled(partition: int, records: Sequence[Record], size: int, take: Any = None) -> FakeOutput:
    """What a router puts out for these records in batches of a size."""
    output = FakeOutput()
    router = Router(make_stage("route", output, table=Table(partition)))
    if take is not None:
        router._plain = take
    for start in range(0, len(records), size):
        batch: Any = FakeBatch("ingest", [], partition)
        batch.records = records[start : start + size]
        await router.handle(batch)
    return output


async def test_records_that_were_read_are_plain(module: Any) -> None:
    """All but those that are stale, one in twenty."""
    records = fetched(1)
    router = Router(make_stage("route", FakeOutput()))
    accepted, left = router._plain(records, 1, -1)
    assert len(accepted) + len(left) == len(records)
    assert len(left) < len(records) / 10


async def test_the_handler_puts_out_the_same_with_and_without_the_native_part(module: Any) -> None:
    """Lanes, outcomes of duplicates and of stale events, and their order, in batches of any size."""
    records = fetched(1)
    for size in (1, 7, 100, EVENTS):
        quick = await handled(1, records, size)
        slow = await handled(1, records, size, nothing_plain)
        assert quick.sent == slow.sent
        kinds = {outcome.kind for outcome in quick.outcomes()}
        assert kinds == {"duplicate", "stale"}
