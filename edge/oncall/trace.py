"""What happened to one event, put together from the records of the topics that it passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from edge.oncall.fates import Fate, Mark, fold
from edge.oncall.passage import GRACE_MS, Passage, Step, Subject, Unread
from edge.oncall.verdicts import Said, Verdict, Way
from streams.cloudevents import decode
from streams.deadletters import Done, read_dead_letter, read_done
from streams.envelope import Envelope, Push, notification_id, offset_of
from streams.event import BadEvent, Event
from streams.outcomes import ANY_LANE, CODES, EVENT_LEVEL, RANGES, Code, Kind, Outcome, decode_outcomes
from streams.record import Record
from streams.topology import Topology


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of an event. Times are ms since 1970."""

    partition: int
    offset: int
    seq: int
    appended: int
    account: str
    notification: str
    lane: str
    expires: int
    event: Event | None
    gates: list[Verdict]
    steps: list[Step]
    devices: list[Fate]
    copies: int
    verdict: str
    unread: tuple[str, ...] = ()  # places at which records could not be read, and why


class Letters:
    """Finds the event's dead letters."""

    def __init__(self, subject: Subject, ingest: str) -> None:
        self._subject = subject
        self._origin = (ingest, subject.partition, subject.offset)
        self.steps: list[Step] = []
        self.copies = 0

    def take(self, record: Record) -> bool:
        """Look at the next dead letter; there are few, so all are read."""
        done = read_done(record.headers)
        if done is not None:
            self._done(done, record.timestamp)
            return False
        try:
            origin = read_dead_letter(record.headers)
        except (KeyError, ValueError):  # somebody else's record
            return False
        if origin[:3] == self._origin:
            self.copies += bool(self.steps)
            ms = record.timestamp - self._subject.appended
            where = f"dead-letters {self._subject.partition}:{record.offset}"
            if not self.steps:
                self.steps.append(Step(ms=ms, stage="route", what="kept", where=where, detail=origin.reason))
        return False

    def _done(self, done: Done, at: int) -> None:
        if done.letter[1:] == self._origin[1:]:
            where = f"ingest {done.placed}" if done.placed else ""
            self.steps.append(Step(ms=at - self._subject.appended, stage="dlq", what=done.action, where=where))


class Reports:
    """Collects the outcomes of the event, and the ranges of the account's devices that cover it."""

    def __init__(self, subject: Subject, lane: int, expires: int) -> None:
        self._subject = subject
        self._lane = lane
        self._expires = expires
        self._account = subject.account.encode()
        self._settled: int | None = None
        self.marks: list[Mark] = []
        self.said: list[Said] = []  # of the event as a whole
        self.steps: list[Step] = []
        self.unread = Unread("outcomes", subject.partition)
        self.copies = 0
        self._known: set[tuple[str, Kind, frozenset[str]]] = set()

    def take(self, record: Record) -> bool:
        """Look at the next batch of outcomes; true once all is known and no copy is to be expected."""
        if self._account in (record.value or b""):  # most batches name other accounts only
            self._batch(record)
        return self._settled is not None and record.timestamp > self._settled + GRACE_MS

    def _batch(self, record: Record) -> None:
        try:
            batch = decode_outcomes(record.value or b"")
        except msgspec.MsgspecError as error:
            self.unread.add(record, error)
            return
        for outcome in batch.outcomes:
            if outcome.kind in RANGES:
                self._range(outcome, record.timestamp, batch.stage)
            elif outcome.seq == self._subject.seq:
                self._outcome(outcome, record.timestamp, batch.stage)
        if self._settled is None and self._is_settled():
            self._settled = record.timestamp

    def _range(self, outcome: Outcome, at: int, stage: str) -> None:
        covers = outcome.since < self._subject.seq <= outcome.seq
        if not covers or outcome.account != self._subject.account:
            return
        if outcome.lane == ANY_LANE:
            code: Code | Literal[""] = next((each for each in CODES if each == outcome.detail), "")
            self.marks += [Mark(device, outcome.kind, at, stage, "by its id", code) for device in outcome.devices]
        elif outcome.lane == self._lane:
            detail = f"cursor at {self._subject.partition}:{offset_of(outcome.seq)}"
            self.marks += [Mark(device, outcome.kind, at, stage, detail) for device in outcome.devices]

    def _outcome(self, outcome: Outcome, at: int, stage: str) -> None:
        said = stage, outcome.kind, frozenset(outcome.devices)  # a replay may find other paths to the same devices
        if said in self._known:
            self.copies += 1
            return
        self._known.add(said)
        if outcome.kind in EVENT_LEVEL:
            self.said.append(Said(stage, outcome))
        self.marks += [Mark(device, outcome.kind, at, stage, outcome.detail) for device in outcome.devices]
        ms = at - self._subject.appended
        step = Step(ms=ms, stage=stage, what=outcome.kind, devices=outcome.devices, detail=outcome.detail)
        self.steps.append(step)

    def fates(self, targets: tuple[str, ...], now: int) -> list[Fate]:
        """What became of each targeted device; `targets` are those that the pushes name."""
        return fold(self.marks, targets, self._subject.appended, self._expires, now)

    def _is_settled(self) -> bool:
        fates = self.fates((), 0)
        return all(fate.terminal for fate in fates) if fates else bool(self.said)


def assemble(
    topology: Topology,
    subject: Subject,
    passages: list[Passage],
    letters: Letters,
    reports: Reports,
    gates: list[Verdict],
    now: int,
) -> Trace:
    """One trace of all that was found; `now` (ms) decides what has expired."""
    found = [passage.found for passage in passages if passage.found is not None]
    envelope = next((made for made in found if isinstance(made, Envelope)), None)
    targets = tuple(target[0] for made in found if isinstance(made, Push) for target in made.targets)
    lane, expires = (envelope.lane, envelope.expires) if envelope else (subject.lane, subject.expires)
    sources: list[Passage | Letters | Reports] = [*passages, letters, reports]
    steps = sorted((step for source in sources for step in source.steps), key=lambda step: step.ms)
    devices = reports.fates(targets, now)
    topic_id = envelope.topic_id if envelope else b""
    return Trace(
        partition=subject.partition,
        offset=subject.offset,
        seq=subject.seq,
        appended=subject.appended,
        account=subject.account,
        notification=notification_id(subject.seq, subject.partition, topic_id).hex() if topic_id else "",
        lane=topology.lane_names()[lane] if lane >= 0 else "",
        expires=expires,
        event=subject.event,
        gates=gates,
        steps=steps,
        devices=devices,
        copies=sum(source.copies for source in sources),
        verdict=_verdict(devices, reports.said, steps),
        unread=tuple(text for unread in (*(p.unread for p in passages), reports.unread) for text in unread.told()),
    )


def way_of(record: Record, passages: Sequence[Passage]) -> Way:
    """How far the event came whose record of `ingest` is `record`."""
    size = len(record.value or b"") + sum(len(name) + len(value or b"") for name, value in record.headers)
    found = [(p.found, p.at) for p in passages if isinstance(p.found, Envelope)]
    routed, notified = (*found, (None, -1), (None, -1))[:2]
    return Way(size, record.timestamp, *routed, *notified)


def _verdict(devices: list[Fate], said: list[Said], steps: list[Step]) -> str:
    """Devices outrank the event: a replay may find stale or superseded what has been delivered."""
    if devices and (not said or any(fate.terminal for fate in devices)):
        delivered = sum(fate.delivered for fate in devices)
        codes = Counter(fate.code for fate in devices)
        what = ", ".join(f"{codes[code]} {code}" for code in CODES if codes[code])
        return f"delivered to {delivered} of {len(devices)} devices" + (f"; {what}" if what else "")
    if said:
        outcome = said[0].outcome
        return f"{outcome.kind} ({outcome.detail})" if outcome.detail else outcome.kind
    if not steps:
        return "in ingest; no stage has said anything of it"
    return f"on its way; last seen {steps[-1].where or steps[-1].what}"


def carries(record: Record, account: str, id_: str, source: str | None) -> bool:
    """Whether a record of `ingest` has this id, as well as can be told of one that is no event."""
    try:
        event = decode(record.key, record.value, record.headers)
    except BadEvent:
        return record.key == account.encode() and ("ce_id", id_.encode()) in record.headers
    return event.account == account and event.id == id_ and source in (None, event.source)
