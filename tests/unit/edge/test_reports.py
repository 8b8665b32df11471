"""Reports: ranges, batches, and Kafka that is slow or away."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest

from edge import reports
from edge.protocol import Range
from edge.reports import Reports
from streams.murmur2 import partition_for
from streams.outcomes import Outcome, decode_outcomes


class FakeOutput:
    """Remembers records; a full queue refuses them, a failed delivery says so."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes | None, list[Outcome], int | None]] = []
        self.full = False
        self.failures = 0

    def __call__(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
        partition: int | None = None,
    ) -> Future[tuple[int, int]]:
        """As the publisher does."""
        if self.full:
            raise BufferError
        placed: Future[tuple[int, int]] = Future()
        if self.failures:
            self.failures -= 1
            placed.set_exception(RuntimeError("no broker"))
            return placed
        batch = decode_outcomes(value or b"")
        assert batch.stage == "edge"
        self.records.append((topic, key, list(batch.outcomes), partition))
        placed.set_result((partition or 0, 0))
        return placed

    def outcomes(self) -> list[Outcome]:
        """All of them."""
        return [outcome for _, _, outcomes, _ in self.records for outcome in outcomes]


async def test_outcomes_go_packed_to_their_accounts_partition() -> None:
    """Keyed by the first account."""
    output = FakeOutput()
    made = Reports(output, "outcomes", 8)
    made.ranges("acked", "alice", "tv", [Range(0, 3, 5), Range(1, 5, 5), Range(2, -1, 0), Range(3, 0, 2)])
    made.flush()
    await asyncio.sleep(0)
    (record,) = output.records
    assert record == (
        "outcomes",
        b"alice",
        [
            Outcome("acked", "alice", 5, ("tv",), since=3, lane=0),
            Outcome("acked", "alice", 2, ("tv",), since=0, lane=3),
        ],
        partition_for(b"alice", 8),
    )
    assert (made.waiting, made.reported) == (0, 2)


async def test_codes_are_of_single_items_of_any_lane() -> None:
    """Each is an ack of its one position; they are counted."""
    output = FakeOutput()
    made = Reports(output, "outcomes", 8)
    made.coded("alice", "tv", {f"{0x42:016x}{7:016x}": "failed", f"{0x40:016x}{7:016x}": "handled"})
    made.coded("alice", "tv", {})
    made.flush()
    assert output.outcomes() == [
        Outcome("acked", "alice", 0x42, ("tv",), "failed", since=0x41, lane=-1),
        Outcome("acked", "alice", 0x40, ("tv",), "handled", since=0x3F, lane=-1),
    ]
    assert made.codes == {("handled",): 1, ("ignored",): 0, ("failed",): 1}


async def test_codes_leave_room_for_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that says very much of single items does not keep others from being reported."""
    monkeypatch.setattr(reports, "MAX_WAITING", 4)
    output = FakeOutput()
    output.full = True
    made = Reports(output, "outcomes", 8)
    made.coded("alice", "tv", {f"{n:016x}{7:016x}": "failed" for n in range(9)})
    assert (made.waiting, made.dropped) == (2, 7)
    made.ranges("acked", "bob", "tv", [Range(0, 3, 5), Range(1, 3, 5)])
    assert (made.waiting, made.dropped) == (4, 7)


async def test_the_same_positions_are_reported_once() -> None:
    """Later ones from where the earlier ended; lower ones not at all."""
    output = FakeOutput()
    made = Reports(output, "outcomes", 8)
    for positions in ((5, 0), (5, 0), (7, 2), (6, 2)):
        made.presented("pulled", "alice", "tv", positions)
    made.presented("pulled", "alice", "phone", (5, 0))
    made.flush()
    assert [(each.devices, each.lane, each.since, each.seq) for each in output.outcomes()] == [
        (("tv",), 0, -1, 5),
        (("tv",), 0, 5, 7),
        (("tv",), 1, 0, 2),
        (("phone",), 0, -1, 5),
    ]


async def test_memory_of_devices_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was not seen for longest is reported from the start again."""
    monkeypatch.setattr(reports, "_REMEMBERED", 2)
    output = FakeOutput()
    made = Reports(output, "outcomes", 8)
    for device in ("a", "b", "a", "c", "b", "a"):
        made.presented("acked", "alice", device, (5,))
    made.flush()
    assert [each.devices[0] for each in output.outcomes()] == ["a", "b", "c", "b", "a"]


async def test_a_full_batch_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves as it fills."""
    monkeypatch.setattr(reports, "FLUSH_ENTRIES", 3)
    output = FakeOutput()
    made = Reports(output, "outcomes", 8)
    for number in range(1, 8):
        made.ranges("acked", "alice", "tv", [Range(0, number - 1, number)])
    assert [len(outcomes) for _, _, outcomes, _ in output.records] == [3, 3]


async def test_what_kafka_does_not_take_waits_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is counted, and the device's next cursor says it again."""
    monkeypatch.setattr(reports, "MAX_WAITING", 2)
    output = FakeOutput()
    output.full = True
    made = Reports(output, "outcomes", 8)
    for device in ("a", "b", "c"):
        made.presented("acked", "alice", device, (5,))
    made.flush()
    assert (made.waiting, made.dropped) == (2, 1)
    output.full, output.failures = False, 1
    made.flush()
    await asyncio.sleep(0)
    assert (made.waiting, made.reported) == (2, 0)
    made.flush()
    await asyncio.sleep(0)
    assert (made.waiting, made.reported) == (0, 2)
    made.presented("acked", "alice", "c", (5,))
    made.flush()
    assert [each.devices[0] for each in output.outcomes()] == ["a", "b", "c"]


async def test_the_end_flushes() -> None:
    """Nothing waits for a next time that does not come."""
    output = FakeOutput()
    made = Reports(output, "outcomes", 8)
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0)
    made.ranges("acked", "alice", "tv", [Range(0, 0, 1)])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(output.records) == 1
