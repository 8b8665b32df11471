"""Reads what a trace is made of: one partition of each topic, from the event's append on, no further than needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from edge.oncall.passage import GRACE_RECORDS, Passage, Subject, subject
from edge.oncall.trace import Letters, Reports, Trace, assemble, carries, way_of
from edge.oncall.verdicts import verdicts
from streams.admin import ingest_topic_id
from streams.envelope import Envelope, Push, decode_envelope, decode_push
from streams.record import Record
from streams.settings import Settings
from streams.topology import Topology, bind, milliseconds
from streams.transport.client import Reader, partition_for

#: Clocks of brokers, which stamp the records, may differ by so much, ms.
SKEW_MS: Final = 5_000
_MINUTE: Final = 60_000
#: How far around a time an id is looked for first, ms.
_AROUND: Final = (5_000, _MINUTE)
#: A topic is read from at most so many records before the event's place.
_SHORT: Final = 1_000
#: How far back an id without a time is looked for, step by step, ms.
_WINDOWS: Final = tuple(minutes * _MINUTE for minutes in (15, 60, 6 * 60, 24 * 60))


class NotFound(Exception):
    """There is no such event; the message says where was looked."""


class Place(NamedTuple):
    """Where a record of `ingest` lies; `topic_id` where it is known which of the topics of that name is meant."""

    partition: int
    offset: int
    topic_id: bytes = b""


class Tracer:
    """Traces events of one cluster through one connection. All methods raise ReadFailed and NotFound."""

    def __init__(
        self, settings: Settings, topology: Topology, source: Reader, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._topology = topology
        self._source = source
        self._clock = clock
        self._ingest = settings.topic_prefix + "ingest"

    def find(self, account: str, id_: str, source: str | None, about: int | None) -> list[Place]:
        """The records of `ingest` with this id in the first range with any: around `about` (ms), else the newest."""
        partition = partition_for(account.encode(), self._topology.partitions)
        for since, until in self._around(about) if about is not None else self._windows():
            start = self._source.offset_for_time(self._ingest, partition, max(0, since))
            end = None if until is None else self._source.offset_for_time(self._ingest, partition, until)
            records = self._source.read(self._ingest, partition, start, end, account.encode())
            places = [Place(partition, record.offset) for record in records if carries(record, account, id_, source)]
            if places:
                return places
        raise NotFound(f"no event {id_!r} of account {account!r} in {self._ingest} partition {partition}")

    def trace(self, place: Place) -> Trace:
        """What happened to the event at a place."""
        if place.topic_id and place.topic_id != ingest_topic_id(self._settings):
            raise NotFound(f"the notification comes from another {self._ingest}, which was deleted")
        record = self.record(place)
        about = subject(self._topology, place.partition, record)
        passages = list(self._passages(about))
        envelope = next((p.found for p in passages if isinstance(p.found, Envelope)), None)
        lane, expires = (envelope.lane, envelope.expires) if envelope else (about.lane, about.expires)
        reports = Reports(about, lane, expires)
        self._scan("outcomes", about, reports.take)
        letters = Letters(about, self._ingest)
        if envelope is None:  # what was forwarded was not refused
            self._scan("dead-letters", about, letters.take)
        way = way_of(record, passages)
        gates = list(verdicts(self._topology, self._settings.limits, about.event, way, reports.said))
        return assemble(self._topology, about, passages, letters, reports, gates, int(self._clock() * 1000))

    def record(self, place: Place) -> Record:
        """The record of `ingest` at a place."""
        record = next(self._source.read(self._ingest, place.partition, place.offset, place.offset + 1), None)
        if record is None:
            raise NotFound(
                f"nothing at {self._ingest} {place.partition}:{place.offset}: not written yet, or removed by retention"
            )
        return record

    def _around(self, about: int) -> Iterator[tuple[int, int | None]]:
        for distance in _AROUND:
            yield about - distance, about + distance
        yield about - 5 * _MINUTE, None

    def _windows(self) -> Iterator[tuple[int, int | None]]:
        now = int(self._clock() * 1000)
        kept = milliseconds(self._topology.topics["ingest"].retention)
        until: int | None = None
        for window in (*(w for w in _WINDOWS if w < kept), kept):
            yield now - window, until
            until = now - window

    def _passages(self, about: Subject) -> Iterator[Passage]:
        """The event in each topic between stages; its lane is the policy's, or was before the policy changed."""
        if about.lane < 0:
            return
        names = self._topology.lane_names()
        for lane in sorted(range(len(names)), key=lambda lane: lane != about.lane):
            passage = self._passage(about, "route", bind("events.{lane}", names[lane]), decode_envelope)
            yield passage
            if passage.found is not None:
                break
        else:
            return
        notified = self._passage(about, "notify", bind("notifications.{lane}", names[lane]), decode_envelope)
        yield notified
        if notified.found is not None:
            for platform in self._topology.platforms:
                topic = bind("push.{platform}.{lane}", names[lane], platform)
                yield self._passage(about, "store", topic, decode_push)

    def _passage(self, about: Subject, stage: str, topic: str, read: Callable[[bytes], Envelope | Push]) -> Passage:
        passage = Passage(about, stage, topic, read)
        name = self._settings.topic_prefix + topic
        start = self._source.offset_for_time(name, about.partition, max(0, about.appended - SKEW_MS))
        leap = self._leap(name, about, start, passage.reached)
        if read is decode_push:  # a leap may end in a replay; what lies before it tells a copy from the push
            leap = max(start, leap - GRACE_RECORDS)
        for record in self._source.read(name, about.partition, leap):
            if passage.take(record):
                break
        return passage

    def _leap(self, name: str, about: Subject, start: int, reached: Callable[[Record], bool | None]) -> int:
        """An offset shortly before the event, by halving: positions rise, and where a replay repeats some, the event
        lies wherever they rise past it.
        """
        end = self._source.watermarks(name, about.partition)[1]
        while end - start > _SHORT:
            middle = (start + end) // 2
            record = self._source.one(name, about.partition, middle)
            while record is not None and reached(record) is None:
                record = self._source.one(name, about.partition, record.offset + 1)
            if record is None or reached(record):
                end = middle
            else:
                start = middle
        return start

    def _scan(self, name: str, about: Subject, take: Callable[[Record], bool]) -> None:
        topic = self._settings.topic_prefix + name
        start = self._source.offset_for_time(topic, about.partition, max(0, about.appended - SKEW_MS))
        for record in self._source.read(topic, about.partition, start):
            if take(record):
                return
