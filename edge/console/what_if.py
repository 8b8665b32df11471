"""What if a use case had other rules: the last minutes of `ingest` judged twice, by the rules of now and by those."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from aiohttp import web

from edge.bodies import read_small
from edge.console.answers import as_json
from edge.console.door import API, Door
from edge.console.dry.run import DryRun, Judged
from edge.console.index.store import INGEST
from edge.console.index.words import event_id
from edge.console.kafka import Topics
from edge.problems import Problem, malformed
from streams.admin import ingest_topic_id
from streams.check import TopologyError, load
from streams.cloudevents import decode
from streams.event import BadEvent
from streams.record import Record
from streams.settings import Settings
from streams.topology import Duration, Merge, Name, Topology, milliseconds
from streams.transport.client import Reader

#: Events that are judged at most: whole partitions, so whole accounts, as many as fit.
MOST: Final = 100_000
EXAMPLES: Final = 20
_MINUTE: Final = 60_000


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """The rules that would be others; what is left out stays."""

    use_case: Name
    max_age: Duration | None = None
    merge: Merge | None = None
    merge_field: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    lane: Name | None = None
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 60


_question = msgspec.json.Decoder(Question).decode


class Range(NamedTuple):
    """Offsets [start, end) of a partition; those before `first` are read so that duplicates of theirs are known."""

    partition: int
    start: int
    first: int
    end: int


class Twice(NamedTuple):
    """An event of the use case, judged by the rules of now and by the others."""

    partition: int
    record: Record
    now: Judged
    then: Judged


class WhatIf:
    """POST what-if"""

    def __init__(self, settings: Settings, topology: Topology, topics: Topics, door: Door) -> None:
        self._settings = settings
        self._topology = topology
        self._topics = topics
        self._door = door
        self._turn = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [web.post(API + "what-if", self.what_if)]

    async def what_if(self, request: web.Request) -> web.Response:
        """How many events would have ended otherwise. Nothing is applied."""
        self._door.asked(request, "read")
        try:
            question = _question(await read_small(request))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise malformed("body", str(error)) from error
        other = changed(self._topology, question)
        async with self._turn:  # it is work for a core
            return as_json(await self._topics.read(lambda source: self._answer(source, question, other)))

    def _answer(self, source: Reader, question: Question, other: Topology) -> dict[str, Any]:
        now = int(time.time() * 1000)
        since = now - question.minutes * _MINUTE
        ranges = self._ranges(source, since)
        chosen = list(_fitting(ranges))
        types = set(self._topology.use_cases[question.use_case].types)
        topic_id = ingest_topic_id(self._settings)
        pairs = [pair for each in chosen for pair in self._judge(source, each, topic_id, other) if _type(pair) in types]
        windows = [milliseconds(lane.window) for lane in self._topology.lanes.values()]
        differing = [pair for pair in pairs if _end(pair.now) != _end(pair.then)]
        return {
            "events": len(pairs),
            "changed": len(differing),
            "window": {"from": min((pair.record.timestamp for pair in pairs), default=since), "to": now},
            "asked": {"from": since, "to": now},
            "partitions": {"judged": len(chosen), "of": len(ranges)},
            "now": _counts([pair.now for pair in pairs]),
            "then": _counts([pair.then for pair in pairs]),
            "delay_ms": {
                "now": _delays([pair.now for pair in pairs], windows),
                "then": _delays([pair.then for pair in pairs], windows),
            },
            "examples": [self._example(pair) for pair in differing[-EXAMPLES:]],
        }

    def _ranges(self, source: Reader, since: int) -> list[Range]:
        name = self._settings.topic_prefix + INGEST
        warm = milliseconds(self._topology.tables["seen"].window)
        found = []
        for partition in range(self._topology.partitions):
            end = source.watermarks(name, partition)[1]
            first = source.offset_for_time(name, partition, max(0, since))
            start = source.offset_for_time(name, partition, max(0, since - warm))
            found.append(Range(partition, start, first, end))
        return found

    def _judge(self, source: Reader, where: Range, topic_id: bytes, other: Topology) -> Iterator[Twice]:
        name = self._settings.topic_prefix + INGEST
        records = list(source.read(name, where.partition, where.start, where.end))
        both = [
            asyncio.run(DryRun(self._settings, topology, where.partition, topic_id).judge(records))
            for topology in (self._topology, other)
        ]
        for record, now, then in zip(records, *both, strict=True):
            if record.offset >= where.first:
                yield Twice(where.partition, record, now, then)

    def _example(self, pair: Twice) -> dict[str, Any]:
        record = pair.record
        where = {"partition": pair.partition, "offset": record.offset, "at": record.timestamp}
        account = (record.key or b"").decode(errors="replace")
        event = where | {"id": event_id(record), "account": account, "type": _type(pair)}
        return {"event": event, "now": self._shown(pair.now), "then": self._shown(pair.then)}

    def _shown(self, judged: Judged) -> dict[str, Any]:
        lane = self._topology.lane_names()[judged.routed.lane] if judged.routed else None
        return {"outcome": _end(judged)[0], "why": judged.said.outcome.detail if judged.said else "", "lane": lane}


def changed(topology: Topology, question: Question) -> Topology:
    """The topology with the other rules. Raises Problem where it would be none."""
    case = topology.use_cases.get(question.use_case)
    if case is None:
        raise Problem(404, "unknown-use-case", "There is no such use case", f"{question.use_case!r} is none of it")
    asked = {name: getattr(question, name) for name in ("max_age", "merge", "merge_field", "lane")}
    case = msgspec.structs.replace(case, **{name: value for name, value in asked.items() if value is not None})
    if case.merge != "union":
        case = msgspec.structs.replace(case, merge_field=None)
    whole = msgspec.structs.replace(topology, use_cases={**topology.use_cases, question.use_case: case})
    document = msgspec.to_builtins(whole)
    try:
        return load(msgspec.json.encode(_without_none(document)).decode(), "what-if", handlers=False)
    except TopologyError as error:
        detail = "; ".join(f"{'.'.join(map(str, each.path))}: {each.message}" for each in error.problems)
        raise Problem(400, "bad-rules", "Such rules cannot be", detail) from error


def _without_none(value: Any) -> Any:
    """What is not set is left out of a document."""
    if isinstance(value, dict):
        return {name: _without_none(each) for name, each in value.items() if each is not None}
    return value


def _fitting(ranges: Sequence[Range]) -> Iterator[Range]:
    """As many partitions as make no more than MOST events; of the first, if need be, its end."""
    left = MOST
    for each in ranges:
        size = each.end - each.start
        if size <= left:
            left -= size
            yield each
        elif left == MOST:
            start = each.end - MOST
            yield each._replace(start=start, first=max(each.first, start))
            return
        else:
            return


def _type(pair: Twice) -> str:
    record = pair.record
    try:
        return decode(record.key, record.value, record.headers).type
    except BadEvent:
        return ""


def _end(judged: Judged) -> tuple[str, int]:
    """What became of an event, and in which lane."""
    lane = judged.routed.lane if judged.routed else -1
    return judged.said.outcome.kind if judged.said else "delivered", lane


def _counts(judged: Sequence[Judged]) -> dict[str, int]:
    kinds = Counter(_end(each)[0] for each in judged)
    return dict.fromkeys(("delivered", "stale", "duplicate", "merged", "superseded"), 0) | kinds


def _delays(judged: Sequence[Judged], windows: Sequence[int]) -> dict[str, int]:
    """For how long events wait until the merge window of their lane ends, ms."""
    held = sorted(_held(each, windows) for each in judged if each.routed)
    if not held:
        return {"p50": 0, "p99": 0, "max": 0}
    return {"p50": held[len(held) // 2], "p99": held[min(len(held) - 1, len(held) * 99 // 100)], "max": held[-1]}


def _held(judged: Judged, windows: Sequence[int]) -> int:
    length = windows[judged.routed.lane] if judged.routed else 0
    return length - judged.at % length if length else 0
