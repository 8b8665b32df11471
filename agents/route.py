"""The stage `route`: decode, refuse what is bad, stale or a duplicate, send the rest into its use case's lane."""

from __future__ import annotations

from typing import NamedTuple

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
from agents.partitions import PartitionCheck
from streams.cloudevents import decode
from streams.deadletters import Origin, dead_letter
from streams.envelope import VERSION, Envelope, encode, position
from streams.event import BadEvent, Event
from streams.failpoints import reach
from streams.fingerprint import digest_of, seen_fingerprint
from streams.outcomes import Outcome
from streams.policies import policies
from streams.seen import SeenEntry
from streams.stage import Batch, Handler, Record, Stage
from streams.targets import Predicate


class Candidate(NamedTuple):
    """An event that passed every gate but the duplicates."""

    record: Record
    event: Event
    facts: Facts


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
        self._key = limits.fingerprint_key.encode()
        self._lanes = [stage.topic("events.{lane}", lane) for lane in range(len(stage.topology.lanes))]

    async def handle(self, batch: Batch) -> int:
        """Forward what passes; every other record gets its outcome, and the bad ones their dead letter."""
        outcomes: list[Outcome] = []
        candidates = []
        clock = batch.clock
        for record in batch.records:
            clock = max(clock, record.timestamp)
            judged = self._judge(record, batch.partition, clock)
            if isinstance(judged, Candidate):
                candidates.append(judged)
            else:
                await self._refuse(batch, record, *judged, outcomes)
        reach("route.decoded")
        await self._forward(batch, candidates, outcomes)
        reach("route.produced")
        await self._stage.report(batch.partition, outcomes)
        return position(self._stage.topology.epoch, batch.records[-1].offset)

    def _judge(self, record: Record, partition: int, clock: int) -> Candidate | tuple[str, Refusal]:
        try:
            event = decode(record.key, record.value, record.headers)
        except BadEvent as bad:
            return _text(record.key), Refusal("dead-lettered", bad.detail, bad.reason)
        policy = self._policies.get(event.type)
        if policy is None:
            return event.account, unknown_type(event)
        facts = Facts(clock, _size(record), policy)
        refusal = first_refusal(self._gates, event, facts)
        if refusal is None:
            right = self._places.misplaced(event.source, event.account, partition)
            if right is not None:
                detail = f"account belongs on partition {right}: producers must partition by murmur2"
                refusal = Refusal("dead-lettered", detail, "wrong-partition")
        return Candidate(record, event, facts) if refusal is None else (event.account, refusal)

    async def _forward(self, batch: Batch, candidates: list[Candidate], outcomes: list[Outcome]) -> None:
        if not candidates:
            return
        put, partition = self._stage.output.put, batch.partition
        verdicts = await self._stage.table.judge(partition, [self._entry(c) for c in candidates])
        for candidate, verdict in zip(candidates, verdicts, strict=True):
            record, event, _ = candidate
            if verdict.first is not None:
                refusal = _repeated(verdict.conflict, f"{partition}:{verdict.first}")
                await self._refuse(batch, record, event.account, refusal, outcomes)
                continue
            envelope = self._envelope(candidate, partition)
            topic, value = self._lanes[envelope.lane], encode(envelope)
            try:
                put(topic, partition, record.key, value)
            except BufferError:
                await self._stage.output.send(topic, partition, record.key, value)

    def _entry(self, candidate: Candidate) -> SeenEntry:
        record, event, facts = candidate
        fingerprint = seen_fingerprint(self._key, event.account, event.source, event.id)
        return SeenEntry(fingerprint, record.offset, digest_of(event.payload), facts.appended)

    def _envelope(self, candidate: Candidate, partition: int) -> Envelope:
        record, event, facts = candidate
        policy = facts.policy
        types = self._stage.topology.mask(event.device_types)
        return Envelope(
            version=VERSION,
            topic_id=self._stage.topic_id,
            partition=partition,
            seq=position(self._stage.topology.epoch, record.offset),
            lane=policy.lane_at(record.timestamp),
            account=event.account,
            source=event.source,
            id=event.id,
            type=event.type,
            time=event.time,
            appended=facts.appended,
            deadline=deadline_of(event, facts),
            expires=expiry_of(event, facts),
            content_type=event.content_type,
            payload=event.payload,
            target=Predicate(types, event.device_ids, event.origin),
            collapse_key=event.collapse_key or (event.type if policy.collapse else ""),
            revision=event.revision,
            trace=event.trace,
        )

    async def _refuse(
        self, batch: Batch, record: Record, account: str, refusal: Refusal, outcomes: list[Outcome]
    ) -> None:
        seq = position(self._stage.topology.epoch, record.offset)
        detail = refusal.detail
        if refusal.reason is not None:
            detail = f"{refusal.reason}: {detail}"
            origin = Origin(batch.topic, batch.partition, record.offset, refusal.reason, refusal.detail)
            headers = dead_letter(origin, record.headers)
            topic = self._stage.topic("dead-letters")
            await self._stage.output.send(topic, batch.partition, record.key, record.value, headers)
        outcomes.append(Outcome(refusal.kind, account, seq, detail=detail))


def _repeated(conflict: bool, first: str) -> Refusal:
    if conflict:
        return Refusal("conflict", f"same id as {first}, another payload", "conflict")
    return Refusal("duplicate", f"of {first}")


def _size(record: Record) -> int:
    return len(record.value or b"") + sum(len(name) + len(value or b"") for name, value in record.headers)


def _text(key: bytes | None) -> str:
    return (key or b"")[:128].decode(errors="replace")
