"""What if a use case had other rules: the last minutes of `ingest` judged twice, by the rules of now and by those."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from edge.bodies import read_small
from edge.console.answers import as_json
from edge.console.door import API, Door
from edge.console.dry.run import DryRun, Judged
from edge.console.dry.sample import Range, Sample, samples
from edge.console.dry.tally import End, Tally, Twice
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
        until = int(time.time() * 1000)
        since = until - question.minutes * _MINUTE
        types = set(self._topology.use_cases[question.use_case].types)
        topic_id = ingest_topic_id(self._settings)
        tally = Tally(since)
        read = partial(source.read, self._settings.topic_prefix + INGEST)
        for sample in samples(self._ranges(source, since), read):
            pairs = self._judge(sample, topic_id, other)
            tally.add((pair for pair in pairs if _type(pair.record) in types), sample, self._example)
        return tally.told(until, self._topology.partitions)

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

    def _judge(self, sample: Sample, topic_id: bytes, other: Topology) -> Iterator[Twice]:
        windows = [milliseconds(lane.window) for lane in self._topology.lanes.values()]
        both = []
        for topology in (self._topology, other):
            run = DryRun(self._settings, topology, sample.partition, topic_id)
            both.append([_end(judged, windows) for judged in asyncio.run(run.judge(sample.records))])
        for record, now, then in zip(sample.records, *both, strict=True):
            if record.offset >= sample.first:
                yield Twice(record, now, then)

    def _example(self, partition: int, pair: Twice) -> dict[str, Any]:
        record = pair.record
        where = {"partition": partition, "offset": record.offset, "at": record.timestamp}
        account = (record.key or b"").decode(errors="replace")
        event = where | {"id": event_id(record), "account": account, "type": _type(record)}
        return {"event": event, "now": self._shown(pair.now), "then": self._shown(pair.then)}

    def _shown(self, end: End) -> dict[str, Any]:
        lane = self._topology.lane_names()[end.lane] if end.lane >= 0 else None
        return {"outcome": end.kind, "why": end.why, "lane": lane}


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


def _type(record: Record) -> str:
    try:
        return decode(record.key, record.value, record.headers).type
    except BadEvent:
        return ""


def _end(judged: Judged, windows: Sequence[int]) -> End:
    """What is kept of a judged event; `windows` are those of the lanes, ms."""
    kind, why = (judged.said.outcome.kind, judged.said.outcome.detail) if judged.said else ("delivered", "")
    if judged.routed is None:
        return End(kind, -1, why, None)
    length = windows[judged.routed.lane]
    return End(kind, judged.routed.lane, why, length - judged.at % length if length else 0)
