"""Search: events, accounts and devices by their ids, through the index and then in the records themselves."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from aiohttp import web

from edge.console.answers import as_json
from edge.console.door import API, Door
from edge.console.index.store import INGEST, OUTCOMES, Index, Place
from edge.console.index.words import event_id
from edge.console.kafka import Topics
from edge.problems import Problem
from streams.cloudevents import decode
from streams.envelope import epoch_of, offset_of, origin_of
from streams.event import BadEvent
from streams.outcomes import decode_outcomes
from streams.record import Record
from streams.settings import Settings
from streams.topology import Topology
from streams.transport.client import Reader, partition_for

#: Hits of each kind, and records of each partition that are looked at for them.
MOST: Final = 20
_EACH: Final = 5
#: Records are looked at for so long, s; what is not looked at then is said to be left out.
PATIENCE_S: Final = 1.2
LONGEST: Final = 512
_PLACE: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")
_NOTIFICATION: Final = re.compile(r"[0-9a-fA-F]{32}")


class Hit(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Something with the id; `partition` and `offset` are those of an event in `ingest`. `at`: ms, of the newest."""

    kind: str
    id: str
    account: str = ""
    at: int = -1
    partition: int = -1
    offset: int = -1
    type: str = ""


class Search:
    """GET search?q="""

    def __init__(self, settings: Settings, topology: Topology, index: Index, topics: Topics, door: Door) -> None:
        self._prefix = settings.topic_prefix
        self._topology = topology
        self._index = index
        self._topics = topics
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [web.get(API + "search", self.search)]

    async def search(self, request: web.Request) -> web.Response:
        """Hits, and what of the topics the index covers: nothing older, and not the last `behind` records."""
        self._door.asked(request, "read")
        asked = request.query.get("q", "").strip()
        if not 0 < len(asked) <= LONGEST:
            raise Problem(400, "bad-q", "There is nothing to look for", f"q has 1 to {LONGEST} characters")
        hits, whole = await self._topics.read(lambda source: self._hits(source, asked))
        state = self._index.state(int(time.time() * 1000))
        covered = {"from": state.since, "to": state.until, "behind": state.behind, "trouble": self._index.trouble}
        return as_json({"hits": hits, "whole": whole, "index": covered | {"bytes": state.nbytes}})

    def _hits(self, source: Reader, asked: str) -> tuple[list[Hit], bool]:
        """And whether these are all, as far as so many are shown."""
        until = time.monotonic() + PATIENCE_S
        hits: list[Hit] = []
        for part in (self._named(source, asked), self._events(source, asked), self._accounts(source, asked),
                     self._devices(source, asked)):  # fmt: skip
            for hit in part:
                if hit is not None and hit not in hits:
                    hits.append(hit)
                if time.monotonic() > until:
                    return hits, False
        return hits, True

    def _named(self, source: Reader, asked: str) -> Iterator[Hit | None]:
        """The event whose place, or the id of whose notification, it is."""
        place = place_of(asked, self._topology)
        record = self._record(source, INGEST, place) if place is not None else None
        if place is not None and record is not None:
            yield _event(place, record)

    def _events(self, source: Reader, asked: str) -> Iterator[Hit | None]:
        for place in self._newest(self._index.find("event", asked, MOST)):
            record = self._record(source, INGEST, place)
            yield _event(place, record) if record is not None and event_id(record) == asked else None

    def _accounts(self, source: Reader, asked: str) -> Iterator[Hit | None]:
        partition = partition_for(asked.encode(), self._topology.partitions)
        for place in self._index.find("account", asked, _EACH, partition):
            record = self._record(source, OUTCOMES, place)
            if record is not None and any(said.account == asked for said in _said(record)):
                yield Hit(kind="account", id=asked, account=asked, at=record.timestamp)
                return
            yield None

    def _devices(self, source: Reader, asked: str) -> Iterator[Hit | None]:
        found: dict[str, None] = {}
        for place in self._newest(self._index.find("device", asked, _EACH)):
            record = self._record(source, OUTCOMES, place)
            for said in _said(record) if record is not None else ():
                if asked in said.devices and said.account not in found and record is not None:
                    found[said.account] = None
                    yield Hit(kind="device", id=asked, account=said.account, at=record.timestamp)
            if len(found) >= MOST:
                return
            yield None

    def _newest(self, places: list[Place]) -> list[Place]:
        """The newest of each partition first, as offsets alone tell nothing between partitions."""
        ranks: dict[int, int] = {}
        ranked = []
        for place in places:
            ranks[place.partition] = ranks.get(place.partition, 0) + 1
            ranked.append((ranks[place.partition], place))
        return [place for _, place in sorted(ranked)][:MOST]

    def _record(self, source: Reader, topic: str, place: Place) -> Record | None:
        record = source.one(self._prefix + topic, *place)
        return record if record is not None and record.offset == place.offset else None


def place_of(text: str, topology: Topology) -> Place | None:
    """The place in `ingest` that `3:17`, or the id of a notification, names; None where it names none."""
    if match := _PLACE.fullmatch(text):
        partition, offset = int(match[1]), int(match[2])
    elif _NOTIFICATION.fullmatch(text):
        seq, partition, _ = origin_of(bytes.fromhex(text))
        if epoch_of(seq) != topology.epoch:
            return None
        offset = offset_of(seq)
    else:
        return None
    return Place(partition, offset) if partition < topology.partitions else None


def _said(record: Record) -> Any:
    try:
        return decode_outcomes(record.value or b"").outcomes
    except msgspec.MsgspecError:
        return ()


def _event(place: Place, record: Record) -> Hit:
    try:
        event = decode(record.key, record.value, record.headers)
        id_, account, type_ = event.id, event.account, event.type
    except BadEvent:
        id_, account, type_ = event_id(record), (record.key or b"").decode(errors="replace"), ""
    at, (partition, offset) = record.timestamp, place
    return Hit(kind="event", id=id_, account=account, at=at, partition=partition, offset=offset, type=type_)
