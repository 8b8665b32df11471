"""One partition judged again: its records of `ingest` through the product's own `route` and `notify`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from agents.notify import Notifier
from agents.route import Router
from edge.console.dry.stage import DryBatch, Kept, Table, never, stage_of
from edge.oncall.verdicts import Said
from streams.envelope import TICK, Envelope, decode_envelope, offset_of
from streams.latest import LatestState
from streams.outcomes import decode_outcomes
from streams.record import Record
from streams.seen import SeenState
from streams.settings import Settings
from streams.stage import Life, Stage
from streams.topology import Topology, milliseconds
from streams.transport.client import RawRecord

_AT_ONCE: Final = 500  # records
_AFTER: Final = 60_000  # ms: every window is over then


class Judged(NamedTuple):
    """What became of one record of `ingest`; `at` is its append time, ms.

    `said` is why it ended, if it did; `routed` and `notified` are the envelopes that it went on as, without payloads:
    memory is to hold many.
    """

    offset: int
    at: int
    said: Said | None
    routed: Envelope | None
    notified: Envelope | None


class Lane:
    """`notify` of one lane, and the log that it reads: records come into it in the time of `ingest`."""

    def __init__(self, stage: Stage, output: Kept, partition: int) -> None:
        self.window = milliseconds(stage.topology.lanes[stage.topology.lane_names()[stage.lane or 0]].window)
        self._stage = stage
        self._output = output
        self._partition = partition
        self._notifier = Notifier(stage, never)
        self._life = Life()
        self._next = 0
        self._clock = self._taken = -1

    async def take(self, values: Sequence[tuple[int, bytes]]) -> None:
        """The next records: when each was appended, and its value."""
        records = [RawRecord(self._next + n, at, None, value, []) for n, (at, value) in enumerate(values)]
        batch = DryBatch(
            self._stage.topic("events.{lane}"), self._partition, records, self._clock, self._life, self._taken
        )
        progress = await self._notifier.handle(batch)
        self._taken = progress.taken
        self._next += len(records)
        self._clock = max(self._clock, *(at for at, _ in values))

    async def end(self) -> None:
        """Let the last window end."""
        await self.take([(self._clock + _AFTER, TICK)])

    def notified(self) -> Iterator[Envelope]:
        """What it put out since the last time."""
        return (decode_envelope(value or b"") for value in self._output.take(self._stage.topic("notifications.{lane}")))


class DryRun:
    """The stages of one partition, from nothing on. Their tables know what came since the run began."""

    def __init__(self, settings: Settings, topology: Topology, partition: int, topic_id: bytes) -> None:
        self._partition = partition
        self._output = Kept()
        windows = {name: milliseconds(spec.window) for name, spec in topology.tables.items()}
        self._seen = Table(SeenState(partition, windows["seen"]))
        route = stage_of("route", settings, topology, self._output, topic_id, None, self._seen)
        self._router = Router(route)
        self._ingest = route.topic("ingest")
        self._events = [route.topic("events.{lane}", lane) for lane in range(len(topology.lanes))]
        self._outcomes = route.topic("outcomes")
        latest = {worker: Table(LatestState(partition, windows["latest"])) for worker in topology.workers}
        self.lanes = []
        for lane, worker in enumerate(_workers(topology)):
            notify = stage_of("notify", settings, topology, self._output, topic_id, lane, latest[worker])
            self.lanes.append(Lane(notify, self._output, partition))
        self._life = Life()
        self._clock = -1

    async def judge(self, records: Iterable[Record]) -> list[Judged]:
        """What becomes of each record, in order."""
        rows: dict[int, Judged] = {}
        rest = iter(records)
        while some := list(islice(rest, _AT_ONCE)):
            rows.update((record.offset, Judged(record.offset, record.timestamp, None, None, None)) for record in some)
            await self._batch(some, rows)
        for lane in self.lanes:
            await lane.end()
        self._collect(rows)
        return list(rows.values())

    async def _batch(self, records: Sequence[Record], rows: dict[int, Judged]) -> None:
        batch = DryBatch(self._ingest, self._partition, records, self._clock, self._life, -1)
        await self._router.handle(batch)
        self._clock = max(self._clock, *(record.timestamp for record in records))
        for lane, topic in zip(self.lanes, self._events, strict=True):
            values = []
            for value in self._output.take(topic):
                envelope = decode_envelope(value or b"")
                row = rows[offset_of(envelope.seq)]
                rows[row.offset] = row._replace(routed=_bare(envelope))
                values.append((row.at, value or b""))
            if values:
                await lane.take(values)
        self._collect(rows)
        self._seen.release(records[-1].offset)

    def _collect(self, rows: dict[int, Judged]) -> None:
        for value in self._output.take(self._outcomes):
            batch = decode_outcomes(value or b"")
            for outcome in batch.outcomes:
                row = rows[offset_of(outcome.seq)]
                rows[row.offset] = row._replace(said=Said(batch.stage, outcome))
        for lane in self.lanes:
            for envelope in lane.notified():
                row = rows[offset_of(envelope.seq)]
                rows[row.offset] = row._replace(notified=_bare(envelope))


def _bare(envelope: Envelope) -> Envelope:
    return msgspec.structs.replace(envelope, payload=b"")


def _workers(topology: Topology) -> list[str]:
    """Of each lane, the worker that notifies it."""
    found = {
        binding.lane: worker
        for worker in topology.workers
        for binding in topology.bindings(worker)
        if binding.stage == "notify" and binding.lane is not None
    }
    return [found[lane] for lane in range(len(topology.lanes))]
