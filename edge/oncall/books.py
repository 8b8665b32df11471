"""What the topics hold about the events of one partition of `ingest`, kept in some 80 bytes an event."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from edge.oncall.columns import NOWHERE, Column, Devices, Passed
from edge.oncall.coverage import Coverage
from streams.deadletters import read_dead_letter
from streams.envelope import decode_push, epoch_of, offset_of, position
from streams.outcomes import RANGES, Kind, Outcome, decode_outcomes
from streams.record import Record

_PLACE: Final = re.compile(r"\b(\d{1,9}):(\d{1,18})\b")
_SAID: Final[tuple[tuple[str, Kind], ...]] = (
    ("route", "dead-lettered"), ("route", "conflict"), ("route", "duplicate"), ("route", "stale"),
    ("notify", "dead-lettered"), ("notify", "merged"), ("notify", "superseded"), ("notify", "stale"),
    ("notify", "no-target"), ("store", "no-target"),
)  # fmt: skip
#: What the stages can say of one event as a whole: a bit each in `Books.words`.
WORDS: Final = {said: 1 << bit for bit, said in enumerate(_SAID)}
#: Outcomes that claim another event to stand for this one.
_CLAIMS: Final = frozenset[Kind](("duplicate", "superseded", "merged"))


class Span(NamedTuple):
    """Offsets [first, end) of one partition of `ingest`, which ended at `high` before anything else was read."""

    partition: int
    first: int
    end: int
    high: int


class Defect(msgspec.Struct, frozen=True):
    """What breaks conservation: the place in `ingest` (offset -1: none is known), and what is wrong there."""

    partition: int
    offset: int
    what: str


class _Head(msgspec.Struct, array_like=True, gc=False):
    """The start of an envelope; the rest is passed over."""

    version: int
    topic_id: bytes
    partition: int
    seq: int
    lane: int
    account: str
    source: str
    id: str
    type: str
    time: int
    appended: int
    deadline: int
    expires: int


_decode_head = msgspec.msgpack.Decoder(_Head).decode


class Books:
    """Takes the records of all topics, those furthest from `ingest` first: then what comes last explains what came."""

    def __init__(self, span: Span, epoch: int, ingest: str, topic_id: bytes, platforms: tuple[str, ...]) -> None:
        self.span = span
        self.size = span.end - span.first
        self.exists = bytearray(self.size)
        self.words = array("H", [0]) * self.size
        self.claims = array("q", [NOWHERE]) * self.size
        self.expires = array("q", [-1]) * self.size
        self.letters = bytearray(self.size)
        self.events = Passed(self.size)
        self.notifications = Passed(self.size)
        self.pushes = {platform: Passed(self.size) for platform in platforms}
        self.targets = {platform: Devices(self.size) for platform in platforms}
        self.stored, self.settled, self.told, self.accepted = (Devices(self.size) for _ in range(4))
        self.owner = Column(self.size, "")  # the account of a stored event
        self.acked, self.pulled = Coverage(), Coverage()
        self.copies: Counter[str] = Counter()
        self.defects: list[Defect] = []
        self.later: dict[int, str] = {}  # offset in `ingest` that was not there yet -> the record that names it
        self.behind = False  # whether the last record of a topic between stages was of a later event
        self._epoch = epoch
        self._ingest = ingest
        self._topic_id = topic_id
        self._accounts = array("I", [0]) * self.size
        self._pushed: dict[str, int] = {}  # the highest position met in each topic of pushes

    # -- what is known of the event at a place

    def position(self, place: int) -> int:
        """The position of the event at a place."""
        return position(self._epoch, self.span.first + place)

    def said(self, place: int, stage: str) -> Kind | None:
        """What a stage said of an event as a whole."""
        words = self.words[place]
        if not words:
            return None
        return next((kind for (name, kind), bit in WORDS.items() if name == stage and words & bit), None)

    def traces(self, place: int) -> Iterator[str]:
        """The topics that name an event, for those that are not in `ingest`."""
        if self.events.lane[place]:
            yield "a record of events"
        if self.notifications.lane[place]:
            yield "a notification"
        yield from (f"a push to {platform}" for platform, passed in self.pushes.items() if passed.lane[place])
        if self.words[place] or self.stored[place] or self.settled[place]:
            yield "an outcome"
        if self.letters[place]:
            yield "a dead letter"

    # -- taking records

    def take_outcomes(self, record: Record, roles: dict[str, str]) -> None:
        """A batch of `outcomes`; `roles`: what a stage's name does."""
        try:
            batch = decode_outcomes(record.value or b"")
        except msgspec.MsgspecError as error:
            self._unreadable("outcomes", record, error)
            return
        role = roles.get(batch.stage, batch.stage)
        for outcome in batch.outcomes:
            if outcome.kind in RANGES:
                self._take_range(outcome, record.timestamp)
            else:
                self._take_outcome(outcome, role, record)

    def _take_range(self, outcome: Outcome, at: int) -> None:
        if epoch_of(outcome.seq) == self._epoch and offset_of(outcome.seq) >= self.span.first:
            coverage = self.acked if outcome.kind == "acked" else self.pulled
            for device in outcome.devices:
                coverage.add(outcome.account, device, outcome.lane, outcome.since, outcome.seq, at)

    def _take_outcome(self, outcome: Outcome, role: str, record: Record) -> None:
        place = self._place(outcome.seq, "outcomes", record)
        if place is None:
            return
        kind, devices = outcome.kind, outcome.devices
        bit = WORDS.get((role, kind))
        if bit is not None:
            self.copies["outcomes"] += bool(self.words[place] & bit)
            self.words[place] |= bit
            if kind in _CLAIMS:
                self._claim(place, outcome.detail)
        elif kind == "stored":
            self.copies["outcomes"] += bool(self.stored[place])
            self.stored.add(place, devices)
            self.owner[place] = outcome.account
            self._own(place, outcome.account.encode(), "stored")
        elif kind in ("pushed", "undeliverable", "accepted"):
            self.copies["outcomes"] += set(devices) <= set(self.settled[place])
            self.settled.add(place, devices)
            if kind != "undeliverable":
                self.told.add(place, devices)
            if kind == "accepted":
                self.accepted.add(place, devices)
        else:
            self._defect(outcome.seq, f"outcome {kind!r} of the stage {role!r}, which never says that")

    def take_letter(self, record: Record) -> None:
        """A record of `dead-letters`."""
        try:
            origin = read_dead_letter(record.headers)
        except (KeyError, ValueError):  # somebody else's record
            return
        if origin.topic != self._ingest or origin.partition != self.span.partition:
            return
        place = origin.offset - self.span.first
        if 0 <= place < self.size:
            self.copies["dead-letters"] += bool(self.letters[place])
            self.letters[place] = 1

    def take_push(self, record: Record, platform: str, topic: str) -> None:
        """A record of `push.<platform>.<lane>`."""
        if not record.value:
            return
        try:
            push = decode_push(record.value)
        except msgspec.MsgspecError as error:
            self._unreadable(topic, record, error)
            return
        if push.seq < self._pushed.get(topic, NOWHERE):
            # A replay of `store` that finds a device online which was not so before. `push` drops it as a copy, and the
            # device, which came after the row, has read it.
            self.copies[topic] += 1
            return
        self._pushed[topic] = push.seq
        place = self._passed(self.pushes[platform], push.seq, push.lane, record, topic)
        if place is not None:
            self._descends(place, push.topic_id, push.partition, topic)
            self.targets[platform].add(place, tuple(target[0] for target in push.targets))
            self._own(place, push.account.encode(), topic)

    def take_notification(self, record: Record, topic: str) -> None:
        """A record of `notifications.<lane>`."""
        place, head = self._take_head(self.notifications, record, topic)
        if head is not None:
            self.expires[place] = head.expires

    def take_event(self, record: Record, topic: str) -> None:
        """A record of `events.<lane>`."""
        self._take_head(self.events, record, topic)

    def take_ingest(self, record: Record) -> None:
        """A record of `ingest` in the span."""
        place = record.offset - self.span.first
        self.exists[place] = 1
        if self.events.lane[place]:
            self._own(place, record.key or b"", "ingest")

    # -- how

    def _take_head(self, passed: Passed, record: Record, topic: str) -> tuple[int, _Head | None]:
        """The place and the envelope of an event that is met for the first time; no envelope where there is none."""
        if not record.value:  # by such a record nothing passes but time
            return 0, None
        try:
            head = _decode_head(record.value)
        except msgspec.MsgspecError as error:
            self._unreadable(topic, record, error)
            return 0, None
        place = self._passed(passed, head.seq, head.lane, record, topic)
        if place is None:
            return 0, None
        self._descends(place, head.topic_id, head.partition, topic)
        self._own(place, head.account.encode(), topic)
        return place, head

    def _passed(self, passed: Passed, seq: int, lane: int, record: Record, topic: str) -> int | None:
        """The place of an event that is met in a topic for the first time."""
        place = self._place(seq, topic, record)
        if place is None:
            return None
        if passed.lane[place]:
            if passed.lane[place] != lane + 1:
                self._defect(seq, f"in {topic} at {self.span.partition}:{record.offset}, and in another lane before")
            self.copies[topic] += 1
            return None
        passed.lane[place] = lane + 1
        passed.at[place] = record.offset
        return place

    def _place(self, seq: int, topic: str, record: Record) -> int | None:
        """Where the columns hold the event; None where it is not of the span."""
        if epoch_of(seq) != self._epoch:
            return None
        offset = offset_of(seq)
        self.behind = offset >= self.span.end
        if offset >= self.span.high:
            self.later.setdefault(offset, f"{topic} {self.span.partition}:{record.offset}")
        return offset - self.span.first if self.span.first <= offset < self.span.end else None

    def _descends(self, place: int, topic_id: bytes, partition: int, topic: str) -> None:
        if (topic_id, partition) != (self._topic_id, self.span.partition):
            self.defects.append(self.at(place, f"in {topic}, made of partition {partition} of ingest {topic_id.hex()}"))

    def _own(self, place: int, account: bytes, topic: str) -> None:
        """All records of an event are of one account."""
        digest = crc32(account) or 1
        if self._accounts[place] not in (0, digest):
            self.defects.append(self.at(place, f"in {topic}, its account is another one than downstream"))
        self._accounts[place] = digest

    def _claim(self, place: int, detail: str) -> None:
        found = _PLACE.search(detail)
        if found is not None and int(found[1]) == self.span.partition:
            self.claims[place] = int(found[2])

    def at(self, place: int, what: str) -> Defect:
        """A defect of the event at a place."""
        return Defect(self.span.partition, self.span.first + place, what)

    def _defect(self, seq: int, what: str) -> None:
        self.defects.append(Defect(self.span.partition, offset_of(seq), what))

    def _unreadable(self, topic: str, record: Record, error: Exception) -> None:
        what = f"{topic} {self.span.partition}:{record.offset} cannot be read: {error}"
        self.defects.append(Defect(self.span.partition, -1, what))
