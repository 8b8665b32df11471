"""Reads what an audit is made of: partition by partition, each topic once, those furthest from `ingest` first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

from edge.oncall.audit import Audit, Moment, Stand, judge
from edge.oncall.books import Books, Span
from streams.admin import committed, ingest_topic_id
from streams.counted import kind_of
from streams.record import Record
from streams.settings import Settings
from streams.topology import Topology, milliseconds
from streams.transport.client import Reader, reader

#: Clocks of brokers, which stamp the records, may differ by so much, ms.
SKEW_MS: Final = 5_000
#: Copies that a replay makes come within so long, ms: a topic between stages is read no further behind the range.
GRACE_MS: Final = 60_000
#: What a stage does, by the kind of topic that it reads.
ROLES: Final = {"ingest": "route", "events": "notify", "notifications": "store", "push": "push"}


class BadRange(Exception):
    """The range cannot be audited; the message says why."""


class Window(NamedTuple):
    """The range of an audit, [since, until), and when it began; ms."""

    since: int
    until: int
    now: int


class Auditor:
    """Audits ranges of time of one cluster. Its methods raise ReadFailed, AdminError and BadRange."""

    def __init__(self, settings: Settings, topology: Topology, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._topology = topology
        self._clock = clock
        self._roles = {name: _role(stage.reads) for name, stage in topology.stages.items()}

    def audit(self, since: int, until: int) -> Audit:
        """The events appended to `ingest` in [since, until), ms, and all that became of them by now."""
        window = Window(since, until, int(self._clock() * 1000))
        self._check(window)
        topic_id = ingest_topic_id(self._settings)
        commits = self._commits()  # first: what is committed has its outputs in the topics that are read now
        audit = Audit()
        kafka = self._settings.kafka
        with reader(kafka.servers, kafka.security) as source:
            for partition in range(self._topology.partitions):
                span = self._span(source, partition, window)
                books = Books(
                    span, self._topology.epoch, self._name("ingest"), topic_id, tuple(self._topology.platforms)
                )
                self._fill(source, books, window)
                end = source.watermarks(self._name("ingest"), partition)[1]
                judge(audit, books, commits[partition], self._topology.lane_names(), Moment(window.now, end))
        return audit

    def _check(self, window: Window) -> None:
        if window.since >= window.until:
            raise BadRange("the range ends before it begins")
        for name, spec in self._topology.topics.items():
            if window.since < window.now - milliseconds(spec.retention):
                raise BadRange(f"{name} keeps {spec.retention}: what became of older events is not there any more")

    def _span(self, source: Reader, partition: int, window: Window) -> Span:
        topic = self._name("ingest")
        high = source.watermarks(topic, partition)[1]
        first = min(high, source.offset_for_time(topic, partition, window.since))
        open_ = window.until >= window.now
        end = high if open_ else min(high, source.offset_for_time(topic, partition, window.until))
        return Span(partition, first, max(first, end), high)

    def _fill(self, source: Reader, books: Books, window: Window) -> None:
        """Read the partition of every topic into its books."""
        start = window.since - SKEW_MS
        for record in self._read(source, "outcomes", books.span, start):
            books.take_outcomes(record, self._roles)
        for record in self._read(source, "dead-letters", books.span, start):
            books.take_letter(record)
        for platform in self._topology.platforms:
            for topic in self._topology.expand("push.{platform}.{lane}", platforms=(platform,)):
                self._pass(source, topic, books, start, partial(books.take_push, platform=platform, topic=topic))
        for topic in self._topology.expand("notifications.{lane}"):
            self._pass(source, topic, books, start, partial(books.take_notification, topic=topic))
        for topic in self._topology.expand("events.{lane}"):
            self._pass(source, topic, books, start, partial(books.take_event, topic=topic))
        for record in source.read(self._name("ingest"), books.span.partition, books.span.first, books.span.end):
            books.take_ingest(record)

    def _pass(self, source: Reader, topic: str, books: Books, start: int, take: Callable[[Record], None]) -> None:
        """Read a topic between stages until the range has passed, and the copies of it too."""
        passed: int | None = None
        for record in self._read(source, topic, books.span, start):
            take(record)
            if passed is None and books.behind and books.span.end < books.span.high:
                passed = record.timestamp
            if passed is not None and record.timestamp > passed + GRACE_MS:
                return

    def _read(self, source: Reader, name: str, span: Span, start: int) -> Iterator[Record]:
        topic = self._name(name)
        return source.read(topic, span.partition, source.offset_for_time(topic, span.partition, start))

    def _commits(self) -> dict[int, dict[Stand, int]]:
        """How far each stage's worker has committed its topic, by partition."""
        partitions = range(self._topology.partitions)
        found: dict[int, dict[Stand, int]] = {partition: {} for partition in partitions}
        lanes = self._topology.lane_names()
        for worker in self._topology.workers:
            offsets = committed(self._settings, self._name(worker))
            for binding in self._topology.bindings(worker):
                lane = "all" if binding.lane is None else lanes[binding.lane]
                stand = self._roles[binding.stage], lane, binding.platform or ""
                for partition in partitions:
                    found[partition][stand] = offsets.get((self._name(binding.topic), partition), 0)
        return found

    def _name(self, topic: str) -> str:
        return self._settings.topic_prefix + topic


def _role(topic: str) -> str:
    kind = kind_of(topic)
    return ROLES.get(kind, kind)
