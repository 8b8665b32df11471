"""The stage `route`: decode, refuse what is bad, stale or a duplicate, send the rest into its use case's lane."""

from __future__ import annotations

import msgspec

from agents.gates import Gates, Refusal, deadline_of, expiry_of, stale, unknown_type, wrong_partition
from agents.limits import DeadLetterLimits
from agents.partitions import PartitionCheck
from streams.cloudevents import decode
from streams.deadletters import Origin, first_of, letter
from streams.envelope import VERSION, Envelope, encode, position
from streams.event import BadEvent, Event
from streams.failpoints import reach
from streams.fingerprint import digest_of, seen_fingerprint
from streams.native.kernel import Accepted, Rules, taker
from streams.outcomes import Outcome
from streams.policies import Policy, policies
from streams.record import Record
from streams.seen import SeenEntry, SeenVerdict
from streams.stage import Batch, Handler, Packed, PartitionStopped, Stage
from streams.targets import EVERY, Predicate


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
        self._gates = Gates(limits, stage.topology.device_types)
        self._places = PartitionCheck(stage.topology.partitions)
        self._limits: dict[int, DeadLetterLimits] = {}
        self._key = limits.fingerprint_key.encode()
        self._topic_id = stage.topic_id
        self._base = position(stage.topology.epoch, 0)
        self._plain = taker(Rules(self._policies, limits, stage.topology.partitions, self._base, stage.topic_id))
        self._letter_bytes = stage.most_bytes("dead-letters")
        self._lanes = [stage.topic("events.{lane}", lane) for lane in range(len(stage.topology.lanes))]

    async def handle(self, batch: Batch) -> int:
        """Forward what passes; every other record gets its outcome, and the bad ones their dead letter.

        Raises PartitionStopped, with nothing put out, where there are too many of these.
        """
        accepted, refused = self._judged(batch)
        reach("route.decoded")
        accepted = await self._first_ones(batch.partition, accepted, refused)
        refused.sort(key=lambda each: each.record.offset)
        self._stop_at_limits(batch, refused)
        outcomes: list[Outcome] = []
        for each in refused:
            await self._refuse(batch, each, outcomes)
        await self._forward(batch.partition, accepted)
        reach("route.produced")
        await self._stage.report(batch.partition, outcomes)
        return self._base + batch.records[-1].offset

    def _judged(self, batch: Batch) -> tuple[list[Accepted], list[Refused]]:
        partition = batch.partition
        accepted, left = self._plain(batch.records, partition, batch.clock)
        refused: list[Refused] = []
        more: list[Accepted] = []
        for record, clock in left:
            judged = self._judge(record, partition, clock)
            if isinstance(judged, Accepted):
                more.append(judged)
            else:
                refused.append(judged)
        if more:
            accepted = sorted(accepted + more, key=lambda each: each.record.offset)
        return accepted, refused

    def _judge(self, record: Record, partition: int, clock: int) -> Accepted | Refused:
        try:
            event = decode(record.key, record.value, record.headers)
        except BadEvent as bad:
            return Refused(record, _text(record.key), Refusal("dead-lettered", bad.detail, bad.reason))
        policy = self._policies.get(event.type)
        if policy is None:
            return Refused(record, event.account, unknown_type(event))
        deadline = deadline_of(event, policy)
        refusal = self._gates.bad(event, _size(record), clock) or stale("route", clock, event.time, deadline)
        if refusal is not None:
            return Refused(record, event.account, refusal)
        right = self._places.misplaced(event.source, event.account, partition, record.offset)
        if right is not None:
            return Refused(record, event.account, wrong_partition(right))
        entry = self._entry(event, record, clock, partition)
        envelope = self._envelope(event, policy, record, partition, clock, deadline)
        return Accepted(record, entry, envelope.lane, (record.key, encode(envelope)))

    async def _first_ones(self, partition: int, accepted: list[Accepted], refused: list[Refused]) -> list[Accepted]:
        """The accepted ones without duplicates and conflicts, which are refused."""
        if not accepted:
            return accepted
        verdicts = await self._stage.table.judge(partition, [each.entry for each in accepted])
        first = [each for each, verdict in zip(accepted, verdicts, strict=True) if verdict.first is None]
        if len(first) < len(accepted):
            for each, verdict in zip(accepted, verdicts, strict=True):
                if verdict.first is not None:
                    refusal = _repeats(each.entry, verdict, partition)
                    refused.append(Refused(each.record, _text(each.record.key), refusal))
        return first

    def _stop_at_limits(self, batch: Batch, refused: list[Refused]) -> None:
        limits = self._limits.get(batch.partition)
        if limits is None:
            limits = self._limits[batch.partition] = DeadLetterLimits(self._stage.settings.limits)
        dead = [each for each in refused if each.refusal.reason is not None]
        places = {record.offset: place for place, record in enumerate(batch.records)} if dead else {}
        broken = limits.take([places[each.record.offset] for each in dead], len(batch.records))
        if broken is not None:
            last = dead[-1]
            raise PartitionStopped(f"{broken}; offset {last.record.offset}: {last.refusal.text()}")

    async def _forward(self, partition: int, accepted: list[Accepted]) -> None:
        lanes: list[list[Packed]] = [[] for _ in self._lanes]
        for _, _, lane, packed in accepted:
            lanes[lane].append(packed)
        for topic, records in zip(self._lanes, lanes, strict=True):
            if records:
                await self._stage.output.send_all(topic, partition, records)

    def _entry(self, event: Event, record: Record, clock: int, partition: int) -> SeenEntry:
        fingerprint = seen_fingerprint(self._key, event.account, event.source, event.id)
        first = first_of(record.headers, partition) if len(record.headers) > 1 else -1
        return SeenEntry(fingerprint, record.offset, digest_of(event.payload), clock, first)

    def _envelope(
        self, event: Event, policy: Policy, record: Record, partition: int, clock: int, deadline: int
    ) -> Envelope:
        return Envelope(  # in the order of its fields: by name it takes six times as long
            VERSION,
            self._topic_id,
            partition,
            self._base + record.offset,
            policy.lane_at(record.timestamp),
            event.account,
            event.source,
            event.id,
            event.type,
            event.time,
            clock,
            deadline,
            expiry_of(event, policy, clock),
            event.content_type,
            event.payload,
            self._target(event),
            event.collapse_key or (event.type if policy.collapse else ""),
            event.revision,
            event.trace,
        )

    def _target(self, event: Event) -> Predicate:
        if not (event.device_types or event.device_ids or event.origin):
            return EVERY
        types = self._stage.topology.mask(event.device_types) if event.device_types else 0
        return Predicate(types, event.device_ids, event.origin)

    async def _refuse(self, batch: Batch, refused: Refused, outcomes: list[Outcome]) -> None:
        record, account, refusal = refused.record, refused.account, refused.refusal
        seq = self._base + record.offset
        if refusal.reason is not None:
            place = batch.topic, batch.partition, record.offset
            origin = Origin(*place, refusal.reason, refusal.detail, self._topic_id)
            topic = self._stage.topic("dead-letters")
            await self._stage.output.send(topic, batch.partition, *letter(origin, record, self._letter_bytes))
        outcomes.append(Outcome(refusal.kind, account, seq, detail=refusal.text()))


def _repeats(entry: SeenEntry, verdict: SeenVerdict, partition: int) -> Refusal:
    first = f"{partition}:{verdict.first}"
    if not verdict.conflict:
        return Refusal("duplicate", f"of {first}")
    digests = f"digest {entry.digest:08x}, that of the first {verdict.digest:08x}"
    return Refusal("conflict", f"same id as {first}, another payload: {digests}", "conflict")


def _size(record: Record) -> int:
    size = len(record.value or b"")
    for name, value in record.headers:
        size += len(name) + len(value or b"")
    return size


def _text(key: bytes | None) -> str:
    return (key or b"")[:128].decode(errors="replace")
