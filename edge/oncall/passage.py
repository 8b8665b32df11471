"""What one event left in a topic between stages: where it was forwarded, and its copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from streams.cloudevents import decode
from streams.envelope import Envelope, Push, is_tick, position
from streams.event import BadEvent, Event
from streams.marker import is_marker
from streams.policies import policies
from streams.record import Record
from streams.topology import Topology

#: Copies that a replay makes come within so long, ms, and so many records; a topic is read no further.
GRACE_MS: Final = 60_000
GRACE_RECORDS: Final = 5_000


class Subject(NamedTuple):
    """The record of `ingest` that is traced. `event` is None where it is none; `lane` and `expires` are then -1."""

    partition: int
    offset: int
    seq: int
    appended: int
    account: str
    event: Event | None
    lane: int
    expires: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. `ms` after the append in `ingest`; `where` is a topic, partition:offset."""

    ms: int
    stage: str
    what: str
    where: str = ""
    devices: tuple[str, ...] = ()
    detail: str = ""


def subject(topology: Topology, partition: int, record: Record) -> Subject:
    """What a record of `ingest` says of itself."""
    seq = position(topology.epoch, record.offset)
    try:
        event = decode(record.key, record.value, record.headers)
    except BadEvent:
        account = (record.key or b"").decode(errors="replace")
        return Subject(partition, record.offset, seq, record.timestamp, account, None, -1, -1)
    policy = policies(topology).get(event.type)
    lane, expires = (policy.lane_at(record.timestamp), record.timestamp + policy.ttl) if policy else (-1, -1)
    return Subject(partition, record.offset, seq, record.timestamp, event.account, event, lane, expires)


class Unread:
    """Records of a partition of a topic that cannot be read."""

    def __init__(self, topic: str, partition: int) -> None:
        self._place = f"{topic} {partition}"
        self._first = ""
        self._count = 0

    def add(self, record: Record, error: msgspec.MsgspecError) -> None:
        """One more."""
        self._first = self._first or f"{self._place}:{record.offset} cannot be read: {error}"
        self._count += 1

    def told(self) -> list[str]:
        """The first one and how many there are, nothing where all could be read."""
        more = f"; nor can {self._count - 1} more of that topic" if self._count > 1 else ""
        return [self._first + more] if self._count else []


class Passage:
    """Finds the records made of the event in a topic between stages; `take` is true once it can hold no more."""

    def __init__(self, subject: Subject, stage: str, topic: str, read: Callable[[bytes], Envelope | Push]) -> None:
        self._subject = subject
        self._stage = stage
        self._topic = topic
        self._read = read
        self._passed: int | None = None
        self._behind = 0
        self.found: Envelope | Push | None = None
        self.at = -1  # when the record that was found was appended, ms
        self.steps: list[Step] = []
        self.unread = Unread(topic, subject.partition)
        self.copies = 0

    def take(self, record: Record) -> bool:
        """Look at the next record of the partition. Positions rise, but for copies; ticks and markers have none."""
        if not (is_tick(record.value) or is_marker(record)):
            try:
                self._look(self._read(record.value or b""), record)
            except msgspec.MsgspecError as error:
                self.unread.add(record, error)
        over = self._passed is not None and record.timestamp > self._passed + GRACE_MS
        return over or self._behind > GRACE_RECORDS

    def _look(self, made: Envelope | Push, record: Record) -> None:
        if made.seq == self._subject.seq:
            # A push behind a later one is of a replay of `store` that found a device online which was not so before.
            # `push` drops it as a copy, and the device, which came after the row, has read it.
            if self.found is None and (self._passed is None or not isinstance(made, Push)):
                self._found(made, record)
            else:
                self.copies += 1
        if self._passed is None and made.seq >= self._subject.seq:
            self._passed = record.timestamp
        self._behind += self._passed is not None

    def reached(self, record: Record) -> bool | None:
        """Whether a record is the event's, or of a later event; None for one that carries none that can be read."""
        try:
            return self._read(record.value or b"").seq >= self._subject.seq
        except msgspec.MsgspecError:
            return None

    def _found(self, made: Envelope | Push, record: Record) -> None:
        self.found = made
        self.at = record.timestamp
        devices = tuple(target[0] for target in made.targets) if isinstance(made, Push) else ()
        where = f"{self._topic} {self._subject.partition}:{record.offset}"
        ms = record.timestamp - self._subject.appended
        self.steps.append(Step(ms=ms, stage=self._stage, what="forwarded", where=where, devices=devices))
