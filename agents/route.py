"""The stage `route`: decode, refuse what is bad, stale or a duplicate, send the rest into its use case's lane."""

from __future__ import annotations

import msgspec

from agents.gates import (
    Addressable,
    Facts,
    Gate,
    Past,
    Refusal,
    Sized,
    deadline_of,
    expiry_of,
    first_refusal,
    fresh,
    unknown_type,
)
from agents.limits import DeadLetterLimits
from agents.partitions import PartitionCheck
from streams.cloudevents import decode
from streams.deadletters import Origin, dead_letter, first_of
from streams.envelope import VERSION, Envelope, encode, position
from streams.event import BadEvent, Event
from streams.failpoints import reach
from streams.fingerprint import digest_of, seen_fingerprint
from streams.outcomes import Outcome
from streams.policies import policies
from streams.record import Record
from streams.seen import SeenEntry, SeenVerdict
from streams.stage import Batch, Handler, Packed, PartitionStopped, Stage
from streams.targets import Predicate


class Candidate(msgspec.Struct, gc=False):
    """An event that passed every gate but the duplicates."""

    record: Record
    event: Event
    facts: Facts


class Refused(msgspec.Struct, gc=False):
    """An event that did not."""

    record: Record
    account: str
    refusal: Refusal


async def stage(stage: Stage) -> Handler:
    """The handler for `ingest`."""
    return Router(stage).handle


class Router:
    """Judges and forwards the records of one batch."""

    def __init__(self, stage: Stage) -> None:
        limits = stage.settings.limits
        self._stage = stage
        self._policies = policies(stage.topology)
        self._gates: tuple[Gate, ...] = (
            Sized(limits.event_bytes), Addressable(stage.topology.device_types),
            Past(int(limits.future_tolerance * 1000)), fresh,
        )  # fmt: skip
        self._places = PartitionCheck(stage.topology.partitions)
        self._limits: dict[int, DeadLetterLimits] = {}
        self._key = limits.fingerprint_key.encode()
        self._base = position(stage.topology.epoch, 0)
        self._lanes = [stage.topic("events.{lane}", lane) for lane in range(len(stage.topology.lanes))]

    async def handle(self, batch: Batch) -> int:
        """Forward what passes; every other record gets its outcome, and the bad ones their dead letter.

        Raises PartitionStopped, with nothing put out, where there are too many of these.
        """
        clock = batch.clock
        judged = []
        for record in batch.records:
            clock = max(clock, record.timestamp)
            judged.append(self._judge(record, batch.partition, clock))
        reach("route.decoded")
        judged = await self._told_apart(batch.partition, judged)
        self._stop_at_limits(batch.partition, judged)
        outcomes: list[Outcome] = []
        for each in judged:
            if isinstance(each, Refused):
                await self._refuse(batch, each, outcomes)
        await self._forward(batch.partition, [each for each in judged if isinstance(each, Candidate)])
        reach("route.produced")
        await self._stage.report(batch.partition, outcomes)
        return self._base + batch.records[-1].offset

    def _judge(self, record: Record, partition: int, clock: int) -> Candidate | Refused:
        try:
            event = decode(record.key, record.value, record.headers)
        except BadEvent as bad:
            return Refused(record, _text(record.key), Refusal("dead-lettered", bad.detail, bad.reason))
        policy = self._policies.get(event.type)
        if policy is None:
            return Refused(record, event.account, unknown_type(event))
        facts = Facts(clock, _size(record), policy)
        refusal = first_refusal(self._gates, event, facts)
        if refusal is None:
            right = self._places.misplaced(event.source, event.account, partition)
            if right is not None:
                detail = f"account belongs on partition {right}: producers must partition by murmur2"
                refusal = Refusal("dead-lettered", detail, "wrong-partition")
        if refusal is not None:
            return Refused(record, event.account, refusal)
        return Candidate(record, event, facts)

    async def _told_apart(self, partition: int, judged: list[Candidate | Refused]) -> list[Candidate | Refused]:
        """The same with duplicates and conflicts refused."""
        entries = [self._entry(each, partition) for each in judged if isinstance(each, Candidate)]
        if not entries:
            return judged
        verdicts = iter(await self._stage.table.judge(partition, entries))
        mine = iter(entries)
        return [_told(each, next(mine), next(verdicts), partition) if isinstance(each, Candidate) else each
                for each in judged]  # fmt: skip

    def _stop_at_limits(self, partition: int, judged: list[Candidate | Refused]) -> None:
        limits = self._limits.get(partition)
        if limits is None:
            limits = self._limits[partition] = DeadLetterLimits(self._stage.settings.limits)
        dead = {place: each for place, each in enumerate(judged)
                if isinstance(each, Refused) and each.refusal.reason is not None}  # fmt: skip
        broken = limits.take(list(dead), len(judged))
        if broken is not None:
            last = list(dead.values())[-1]
            raise PartitionStopped(f"{broken}; offset {last.record.offset}: {last.refusal.text()}")

    async def _forward(self, partition: int, candidates: list[Candidate]) -> None:
        lanes: list[list[Packed]] = [[] for _ in self._lanes]
        for candidate in candidates:
            envelope = self._envelope(candidate, partition)
            lanes[envelope.lane].append((candidate.record.key, encode(envelope)))
        for topic, records in zip(self._lanes, lanes, strict=True):
            if records:
                await self._stage.output.send_all(topic, partition, records)

    def _entry(self, candidate: Candidate, partition: int) -> SeenEntry:
        record, event = candidate.record, candidate.event
        fingerprint = seen_fingerprint(self._key, event.account, event.source, event.id)
        first = first_of(record.headers, partition)
        return SeenEntry(fingerprint, record.offset, digest_of(event.payload), candidate.facts.appended, first)

    def _envelope(self, candidate: Candidate, partition: int) -> Envelope:
        record, event, facts = candidate.record, candidate.event, candidate.facts
        policy = facts.policy
        types = self._stage.topology.mask(event.device_types) if event.device_types else 0
        return Envelope(  # in the order of its fields: by name it takes six times as long
            VERSION,
            self._stage.topic_id,
            partition,
            self._base + record.offset,
            policy.lane_at(record.timestamp),
            event.account,
            event.source,
            event.id,
            event.type,
            event.time,
            facts.appended,
            deadline_of(event, facts),
            expiry_of(event, facts),
            event.content_type,
            event.payload,
            Predicate(types, event.device_ids, event.origin),
            event.collapse_key or (event.type if policy.collapse else ""),
            event.revision,
            event.trace,
        )

    async def _refuse(self, batch: Batch, refused: Refused, outcomes: list[Outcome]) -> None:
        record, account, refusal = refused.record, refused.account, refused.refusal
        seq = self._base + record.offset
        if refusal.reason is not None:
            place = batch.topic, batch.partition, record.offset
            origin = Origin(*place, refusal.reason, refusal.detail, self._stage.topic_id)
            headers = dead_letter(origin, record.headers)
            topic = self._stage.topic("dead-letters")
            await self._stage.output.send(topic, batch.partition, record.key, record.value, headers)
        outcomes.append(Outcome(refusal.kind, account, seq, detail=refusal.text()))


def _told(candidate: Candidate, entry: SeenEntry, verdict: SeenVerdict, partition: int) -> Candidate | Refused:
    if verdict.first is None:
        return candidate
    first = f"{partition}:{verdict.first}"
    refusal = Refusal("duplicate", f"of {first}")
    if verdict.conflict:
        digests = f"digest {entry.digest:08x}, that of the first {verdict.digest:08x}"
        refusal = Refusal("conflict", f"same id as {first}, another payload: {digests}", "conflict")
    return Refused(candidate.record, candidate.event.account, refusal)


def _size(record: Record) -> int:
    size = len(record.value or b"")
    for name, value in record.headers:
        size += len(name) + len(value or b"")
    return size


def _text(key: bytes | None) -> str:
    return (key or b"")[:128].decode(errors="replace")
