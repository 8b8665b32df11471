"""Reads what a trace is made of: one partition of each topic, from the event's append on, no further than needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from edge.trace import Letters, Passage, Record, Reports, Subject, Trace, assemble, carries, subject
from streams.admin import ingest_topic_id
from streams.envelope import Envelope, Push, decode_envelope, decode_push
from streams.settings import Settings
from streams.topology import Topology, bind, milliseconds
from streams.transport.client import offsets_for_time, partition_for, read_partition

#: Clocks of brokers, which stamp the records, may differ by so much, ms.
SKEW_MS: Final = 5_000
_MINUTE: Final = 60_000
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
    """Traces events of one cluster. All methods raise ReadFailed and NotFound."""

    def __init__(self, settings: Settings, topology: Topology, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._topology = topology
        self._clock = clock
        self._ingest = settings.topic_prefix + "ingest"

    def find(self, account: str, id_: str, source: str | None, about: int | None) -> list[Place]:
        """The records of `ingest` with this id: from 5 minutes before `about` (ms), else the newest window with any."""
        partition = partition_for(account.encode(), self._topology.partitions)
        end: int | None = None
        for since in [about - 5 * _MINUTE] if about is not None else self._windows():
            start = self._offset(self._ingest, partition, since)
            records = self._read(self._ingest, partition, start, end)
            places = [Place(partition, record.offset) for record in records if carries(record, account, id_, source)]
            if places:
                return places
            end = start
        raise NotFound(f"no event {id_!r} of account {account!r} in {self._ingest} partition {partition}")

    def trace(self, place: Place) -> Trace:
        """What happened to the event at a place."""
        if place.topic_id and place.topic_id != ingest_topic_id(self._settings):
            raise NotFound(f"the notification comes from another {self._ingest}, which was deleted")
        record = next(self._read(self._ingest, place.partition, place.offset, place.offset + 1), None)
        if record is None:
            raise NotFound(
                f"nothing at {self._ingest} {place.partition}:{place.offset}: not written yet, or removed by retention"
            )
        about = subject(self._topology, place.partition, record)
        letters = Letters(about, self._ingest)
        self._search("dead-letters", about, letters.take)
        passages = list(self._passages(about))
        envelope = next((p.found for p in passages if isinstance(p.found, Envelope)), None)
        lane, expires = (envelope.lane, envelope.expires) if envelope else (about.lane, about.expires)
        reports = Reports(about, lane, expires)
        self._search("outcomes", about, reports.take)
        return assemble(self._topology, about, passages, letters, reports, int(self._clock() * 1000))

    def _windows(self) -> Iterator[int]:
        now = int(self._clock() * 1000)
        kept = milliseconds(self._topology.topics["ingest"].retention)
        yield from (now - window for window in (*(w for w in _WINDOWS if w < kept), kept))

    def _passages(self, about: Subject) -> Iterator[Passage]:
        """The event in each topic between stages; its lane is the policy's, or was before the policy changed."""
        if about.lane < 0:
            return
        names = self._topology.lane_names()
        for lane in sorted(range(len(names)), key=lambda lane: lane != about.lane):
            passage = self._passage(about, "route", bind("events.{lane}", names[lane]), decode_envelope)
            if passage.found is not None:
                yield passage
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
        self._search(topic, about, passage.take)
        return passage

    def _search(self, name: str, about: Subject, take: Callable[[Record], bool]) -> None:
        topic = self._settings.topic_prefix + name
        start = self._offset(topic, about.partition, about.appended - SKEW_MS)
        for record in self._read(topic, about.partition, start):
            if take(record):
                return

    def _offset(self, topic: str, partition: int, moment: int) -> int:
        kafka = self._settings.kafka
        return offsets_for_time(kafka.servers, topic, [partition], max(0, moment), kafka.security)[partition]

    def _read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
        kafka = self._settings.kafka
        return read_partition(kafka.servers, topic, partition, start, end, kafka.security)
