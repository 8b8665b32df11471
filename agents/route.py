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
from streams.outcomes import Outcome
from streams.policies import Policy, policies
from streams.record import Record
from streams.seen import SeenEntry, SeenVerdict
from streams.stage import Batch, Handler, Packed, PartitionStopped, Stage
from streams.targets import EVERY, Predicate


class Candidate(msgspec.Struct, gc=False):
    """An event that passed every gate but the duplicates; `appended` and `deadline` in ms."""

    record: Record
    event: Event
    policy: Policy
    appended: int
    deadline: int


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
        self._letter_bytes = stage.most_bytes("dead-letters")
        self._lanes = [stage.topic("events.{lane}", lane) for lane in range(len(stage.topology.lanes))]

    async def handle(self, batch: Batch) -> int:
        """Forward what passes; every other record gets its outcome, and the bad ones their dead letter.

        Raises PartitionStopped, with nothing put out, where there are too many of these.
        """
        candidates, refused = self._judged(batch)
        reach("route.decoded")
        candidates = await self._first_ones(batch.partition, candidates, refused)
        refused.sort(key=lambda each: each.record.offset)
        self._stop_at_limits(batch, refused)
        outcomes: list[Outcome] = []
        for each in refused:
            await self._refuse(batch, each, outcomes)
        await self._forward(batch.partition, candidates)
        reach("route.produced")
        await self._stage.report(batch.partition, outcomes)
        return self._base + batch.records[-1].offset

    def _judged(self, batch: Batch) -> tuple[list[Candidate], list[Refused]]:
        candidates: list[Candidate] = []
        refused: list[Refused] = []
        clock, partition = batch.clock, batch.partition
        for record in batch.records:
            if record.timestamp > clock:
                clock = record.timestamp
            judged = self._judge(record, partition, clock)
            if isinstance(judged, Candidate):
                candidates.append(judged)
            else:
                refused.append(judged)
        return candidates, refused

    def _judge(self, record: Record, partition: int, clock: int) -> Candidate | Refused:
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
        return Candidate(record, event, policy, clock, deadline)

    async def _first_ones(self, partition: int, candidates: list[Candidate], refused: list[Refused]) -> list[Candidate]:
        """The candidates without duplicates and conflicts, which are refused."""
        if not candidates:
            return candidates
        entries = [self._entry(candidate, partition) for candidate in candidates]
        verdicts = await self._stage.table.judge(partition, entries)
        first = []
        for candidate, entry, verdict in zip(candidates, entries, verdicts, strict=True):
            if verdict.first is None:
                first.append(candidate)
            else:
                refusal = _repeats(entry, verdict, partition)
                refused.append(Refused(candidate.record, candidate.event.account, refusal))
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
        first = first_of(record.headers, partition) if len(record.headers) > 1 else -1
        return SeenEntry(fingerprint, record.offset, digest_of(event.payload), candidate.appended, first)

    def _envelope(self, candidate: Candidate, partition: int) -> Envelope:
        record, event, policy = candidate.record, candidate.event, candidate.policy
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
            candidate.appended,
            candidate.deadline,
            expiry_of(event, policy, candidate.appended),
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
