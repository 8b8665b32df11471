"""Three small stages that the transport is tried with: route with its table `seen`, notify and store."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import faust

from streams.fresh import Replays
from streams.logtime import Progress
from streams.stage import PartitionStopped
from streams.transport import Batch, Handler, Output

SEQ = struct.Struct(">q")  # first field of every value behind `ingest`: the event's offset there
_ENTRY = struct.Struct(">12sq")  # fingerprint, ingest offset
Entry = tuple[bytes, int]


class Seen(faust.Table):
    """Fingerprint -> ingest offset, one changelog row for each batch."""

    mundane_level = "debug"

    def __init__(self, app: Any, output: Output, partitions: int) -> None:
        super().__init__(app, name="seen", key_type=bytes, value_type=bytes, partitions=partitions)
        self.index: defaultdict[int, dict[bytes, int]] = defaultdict(dict)
        self._output = output

    def write(self, partition: int, entries: Sequence[Entry]) -> None:
        """Through the output of the stages: one order, one flush."""
        key = b"%d/%d/%d" % (partition, entries[0][1], entries[-1][1])
        row = b"".join([_ENTRY.pack(*entry) for entry in entries])
        self._output.put(self.changelog_topic_name, partition, key, row)

    def apply_changelog_batch(self, batch: Any, *args: Any) -> None:
        """Recovery."""
        super().apply_changelog_batch(batch)
        for event in batch:
            self.index[event.message.partition].update(_ENTRY.iter_unpack(event.message.value))

    async def on_rebalance(self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0) -> None:
        """Drop what belongs to partitions that went."""
        for tp in revoked:
            if tp.topic == self.changelog_topic_name:
                self.index.pop(tp.partition, None)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)


def route(output: Output, seen: Seen, lanes: tuple[str, str], counts: Counter[str]) -> Handler:
    """ingest -> a lane by the first bit; an id that meets its own offset is a replay, another offset a duplicate."""

    async def handle(batch: Any) -> int:
        index = seen.index[batch.partition]
        entries: list[Entry] = []
        for record in batch.records:
            fingerprint = record.value[:12]
            if index.setdefault(fingerprint, record.offset) != record.offset:
                counts["duplicates"] += 1
                continue
            entries.append((fingerprint, record.offset))
            value = SEQ.pack(record.offset) + record.value
            await output.send(lanes[record.value[0] & 1], batch.partition, record.key, value)
        if entries:
            seen.write(batch.partition, entries)
        counts["route"] += len(batch.records)
        return int(batch.end) - 1

    return handle


def forward(
    name: str, output: Output, target: str, counts: Counter[str], pause: float, fail_at: int, replays: Replays
) -> Handler:
    """Drop copies, pass the rest on; raise at the event with seq `fail_at`."""

    async def handle(batch: Any) -> int:
        assert isinstance(batch, Batch)
        taken = batch.watermark()
        if pause:
            await asyncio.sleep(pause)
        for record in batch.records:
            assert record.value is not None
            (seq,) = SEQ.unpack_from(record.value)
            if seq <= taken:
                counts["copies"] += 1
                replays.copy(batch.partition, seq, taken)
                continue
            if seq == fail_at:
                raise RuntimeError(f"told to fail at {seq}")
            await output.send(target, batch.partition, record.key, record.value)
            taken = seq
        counts[name] += len(batch.records)
        return taken

    return handle


def stopping(handler: Handler, partition: int) -> Handler:
    """The handler, but it will not go on with one partition after its first 500 records."""

    async def handle(batch: Any) -> int | Progress:
        if batch.partition == partition and batch.end > 500:
            raise PartitionStopped("told to stop")
        return await handler(batch)

    return handle
