"""The stage `notify`: makes of events the notifications for the devices they are meant for, unless newer ones stand."""

from __future__ import annotations

from agents.gates import stale
from agents.merge import merge, selectors
from agents.ticks import Later, Ticker
from streams.envelope import TICK, Envelope, decode_envelope, encode, is_tick, offset_of
from streams.failpoints import reach
from streams.fingerprint import latest_fingerprint
from streams.fresh import Replays
from streams.latest import LatestEntry
from streams.logtime import Progress, Windows
from streams.outcomes import Outcome
from streams.policies import policies
from streams.record import Record
from streams.stage import Batch, Handler, Life, Packed, Stage
from streams.targets import narrow
from streams.topology import milliseconds


async def stage(stage: Stage) -> Handler:
    """The handler for `events.<lane>`."""
    return Notifier(stage).handle


class Notifier:
    """Judges and forwards the events of one lane: at once, or, where the lane has a window, at its end."""

    def __init__(self, stage: Stage, later: Later | None = None) -> None:
        """`later` calls a function after some seconds; that of the running loop unless given."""
        self._stage = stage
        self._replays = Replays(stage.topic("events.{lane}"), stage.settings.limits.copies)
        self._policies = policies(stage.topology)
        self._key = stage.settings.limits.fingerprint_key.encode()
        self._topic = stage.topic("notifications.{lane}")
        self._length = milliseconds(stage.topology.lanes[stage.topology.lane_names()[stage.lane or 0]].window)
        self._partitions: dict[int, tuple[Life, Windows[Envelope]]] = {}
        self._ticker = Ticker(self._tick, later)

    async def handle(self, batch: Batch) -> Progress:
        """Take what is not stale and not without a target, report the rest, and forward what leaves its window.

        What is still held is not finished: a restart reads it again.
        """
        windows = self._windows(batch)
        held = len(windows)
        outcomes: list[Outcome] = []
        at_once: list[Envelope] = []
        ticked = False
        for record in batch.records:
            if left := windows.pass_time(record.offset, record.timestamp):
                await self._leave(batch.partition, left, outcomes)
            if is_tick(record.value):
                ticked = True
                continue
            envelope = self._take(record, windows, outcomes)
            if envelope is None:
                continue
            if not self._length:
                at_once.append(envelope)
            elif left := windows.hold(envelope, len(record.value or b"")):
                await self._leave(batch.partition, left, outcomes)
        reach("notify.decoded")
        await self._forward(batch.partition, at_once, outcomes)
        reach("notify.produced")
        await self._stage.report(batch.partition, outcomes)
        self._stage.metrics.held += len(windows) - held
        self._ticker.watch(batch.partition, batch.life, windows.remaining(), ticked)
        return windows.progress()

    def _windows(self, batch: Batch) -> Windows[Envelope]:
        """The windows of a partition; what was held before it was revoked or sought is forgotten."""
        life, windows = self._partitions.get(batch.partition, (None, None))
        if windows is None or life is not batch.life:
            for number in [number for number, kept in self._partitions.items() if kept[0].over]:
                self._give_back(len(self._partitions.pop(number)[1]))
            windows = Windows(self._length, Progress(batch.records[0].offset, batch.watermark(), batch.clock))
            self._partitions[batch.partition] = batch.life, windows
        return windows

    def _give_back(self, records: int) -> None:
        self._stage.metrics.ended["given-back"] += records
        self._stage.metrics.held -= records

    def _tick(self, partition: int) -> None:
        self._stage.output.put(self._stage.topic("events.{lane}"), partition, None, TICK)

    def _take(self, record: Record, windows: Windows[Envelope], outcomes: list[Outcome]) -> Envelope | None:
        """What may become a notification; None for a copy, and for what is refused."""
        envelope = decode_envelope(record.value or b"")
        self._stage.verify(envelope.version, envelope.topic_id)
        if not windows.take(envelope.seq):
            self._stage.metrics.copies += 1
            self._replays.copy(envelope.partition, envelope.seq, windows.taken)
            return None
        refused = self._refusal(windows.clock, envelope)
        if refused is None:
            return envelope
        outcomes.append(refused)
        return None

    def _refusal(self, now: int, envelope: Envelope) -> Outcome | None:
        """Set the target of a notification, or say why there is none; `now` is log time, ms."""
        late = stale("notify", now, envelope.time, envelope.deadline)
        if late is not None:
            return Outcome(late.kind, envelope.account, envelope.seq, detail=late.detail)
        policy = self._policies.get(envelope.type)
        if policy is None:  # a router of another release knows the type: it is meant for whom the producer says
            return None
        target = narrow(envelope.target, policy.types, policy.least)
        if target is None:
            detail = f"devicetypes {envelope.target.types:#x}, use case {policy.types:#x}"
            return Outcome("no-target", envelope.account, envelope.seq, detail=detail)
        envelope.target = target
        return None

    async def _leave(self, partition: int, envelopes: list[Envelope], outcomes: list[Outcome]) -> None:
        """Merge, judge and forward all notifications of a window."""
        survivors, folded = merge(envelopes, self._policies)
        for e, survivor in folded:
            detail = f"into {partition}:{offset_of(survivor.seq)}"
            outcomes.append(Outcome("merged", e.account, e.seq, detail=detail))
        await self._forward(partition, survivors, outcomes)

    async def _forward(self, partition: int, envelopes: list[Envelope], outcomes: list[Outcome]) -> None:
        """Judge and forward notifications in the order of their positions."""
        newest = await self._newest(partition, envelopes)
        standing: list[Packed] = []
        for envelope in envelopes:
            newer = newest.get(envelope.seq)
            if newer is not None:
                outcomes.append(Outcome("superseded", envelope.account, envelope.seq, detail=newer))
                continue
            standing.append((envelope.account.encode(), encode(envelope)))
        if standing:
            await self._stage.output.send_all(self._topic, partition, standing)

    async def _newest(self, partition: int, envelopes: list[Envelope]) -> dict[int, str]:
        """What supersedes each superseded notification, by position."""
        keyed = [e for e in envelopes if e.collapse_key and not self._is_union(e)]
        if not keyed:
            return {}
        verdicts = await self._stage.table.judge(partition, [self._entry(e) for e in keyed])
        return {
            e.seq: f"by {partition}:{offset_of(verdict.position)}: {verdict.newest} is newer than {_version(e)}"
            for e, verdict in zip(keyed, verdicts, strict=True)
            if verdict.superseded
        }

    def _is_union(self, e: Envelope) -> bool:
        """Whether it holds changes, of which none is newer than another."""
        policy = self._policies.get(e.type)
        return policy is not None and policy.merge == "union"

    def _entry(self, e: Envelope) -> LatestEntry:
        """Events with a version are ordered by it, events without one by their time: the two never meet.

        Entries age by the time of `ingest`, as the positions are of it: both rise together in whichever lane.
        """
        policy = self._policies.get(e.type)
        scope = (policy.use_case if policy else e.type, e.collapse_key, "version" if e.revision >= 0 else "time")
        return LatestEntry(
            latest_fingerprint(self._key, e.account, scope, selectors(e.target)), _version(e), e.seq, e.appended
        )


def _version(e: Envelope) -> int:
    return e.revision if e.revision >= 0 else e.time
