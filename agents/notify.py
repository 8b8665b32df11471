"""The stage `notify`: of each event one notification for the devices it is meant for, unless a newer one stands."""

from __future__ import annotations

from typing import NamedTuple

from agents.gates import stale
from streams.envelope import Envelope, decode_envelope, encode, offset_of
from streams.fingerprint import latest_fingerprint
from streams.latest import LatestEntry
from streams.outcomes import Outcome
from streams.stage import Batch, Handler, Record, Stage
from streams.targets import Predicate, narrow
from streams.topology import policies


class Candidate(NamedTuple):
    """A notification that is young enough and has somebody to go to."""

    key: bytes | None
    envelope: Envelope


async def stage(stage: Stage) -> Handler:
    """The handler for `events.<lane>`."""
    return Notifier(stage).handle


class Notifier:
    """Judges and forwards the events of one batch."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._policies = policies(stage.topology)
        self._key = stage.settings.limits.fingerprint_key.encode()
        self._topic = stage.topic("notifications.{lane}")

    async def handle(self, batch: Batch) -> int:
        """Forward what is not stale, not superseded and not without a target; report the rest."""
        taken = batch.watermark()
        outcomes: list[Outcome] = []
        candidates = []
        for record in batch.records:
            envelope = decode_envelope(record.value or b"")
            self._stage.verify(envelope.version, envelope.topic_id)
            if envelope.seq <= taken:
                self._stage.metrics.copies += 1
                continue
            taken = envelope.seq
            refused = self._refusal(record, envelope)
            if refused is None:
                candidates.append(Candidate(record.key, envelope))
            else:
                outcomes.append(refused)
        await self._forward(batch.partition, candidates, outcomes)
        await self._stage.report(batch.partition, outcomes)
        return taken

    def _refusal(self, record: Record, envelope: Envelope) -> Outcome | None:
        """Set the target of a notification, or say why there is none."""
        if record.timestamp > envelope.deadline:
            late = stale("notify", record.timestamp, envelope.time, envelope.deadline)
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

    async def _forward(self, partition: int, candidates: list[Candidate], outcomes: list[Outcome]) -> None:
        newest = await self._newest(partition, [c.envelope for c in candidates])
        put = self._stage.output.put
        for key, envelope in candidates:
            newer = newest.get(envelope.seq)
            if newer is not None:
                outcomes.append(Outcome("superseded", envelope.account, envelope.seq, detail=newer))
                continue
            value = encode(envelope)
            try:
                put(self._topic, partition, key, value)
            except BufferError:
                await self._stage.output.send(self._topic, partition, key, value)

    async def _newest(self, partition: int, envelopes: list[Envelope]) -> dict[int, str]:
        """What supersedes each superseded notification, by position."""
        keyed = [e for e in envelopes if e.collapse_key]
        if not keyed:
            return {}
        verdicts = await self._stage.table.judge(partition, [self._entry(e) for e in keyed])
        return {
            e.seq: f"by {partition}:{offset_of(verdict.position)}: {verdict.newest} is newer than {_version(e)}"
            for e, verdict in zip(keyed, verdicts, strict=True)
            if verdict.superseded
        }

    def _entry(self, e: Envelope) -> LatestEntry:
        """Events with a version are ordered by it, events without one by their time: the two never meet."""
        policy = self._policies.get(e.type)
        scope = (policy.use_case if policy else e.type, e.collapse_key, "version" if e.revision >= 0 else "time")
        return LatestEntry(
            latest_fingerprint(self._key, e.account, scope, _selectors(e.target)), _version(e), e.seq, e.appended
        )


def _version(e: Envelope) -> int:
    return e.revision if e.revision >= 0 else e.time


def _selectors(target: Predicate) -> tuple[str, ...]:
    return (str(target.types), target.origin, str(target.least), *sorted(target.ids))
