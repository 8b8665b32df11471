"""One event: what `lockstep trace` tells of it, and its record."""

from __future__ import annotations

import base64
from typing import Any

from aiohttp import web

from edge.console.answers import as_json
from edge.console.door import API, Door
from edge.console.kafka import Topics
from edge.oncall.tracing import Place, Tracer
from edge.oncall.tracing_text import as_builtins
from edge.problems import Problem
from streams.record import Record
from streams.settings import Settings
from streams.topology import Topology
from streams.transport.client import Reader

#: The header that says what the value is is no part of the data, nor are the attributes of an event.
_SHOWN = ("content-type", "ce_", "lockstep-")


class Events:
    """GET events/{partition}/{offset}"""

    def __init__(self, settings: Settings, topology: Topology, topics: Topics, door: Door) -> None:
        self._settings = settings
        self._topology = topology
        self._topics = topics
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [web.get(API + "events/{partition}/{offset}", self.event)]

    async def event(self, request: web.Request) -> web.Response:
        """The trace of an event, with its record."""
        self._door.asked(request, "read")
        allowed = self._door.may(request, "payload")
        place = Place(*place_in(request, self._topology.partitions))

        def find(source: Reader) -> dict[str, Any]:
            tracer = Tracer(self._settings, self._topology, source)
            return as_builtins(tracer.trace(place)) | {"raw": raw(tracer.record(place), allowed)}

        return as_json(await self._topics.read(find))


def place_in(request: web.Request, partitions: int) -> tuple[int, int]:
    """The partition and the offset of the path. Raises Problem."""
    texts = request.match_info["partition"], request.match_info["offset"]
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
        raise Problem(400, "bad-place", "There is no such place", "a place is two numbers: partition and offset")
    partition, offset = map(int, texts)
    if partition >= partitions:
        raise Problem(404, "unknown-partition", "There is no such partition", f"{partition}; there are {partitions}")
    return partition, offset


def raw(record: Record, allowed: bool) -> dict[str, Any]:
    """A record of `ingest` as it lies there; without its value, and without headers of others, unless that is allowed.

    The attributes of an event in structured mode are in its value, so they are in the trace alone.
    """
    headers = {
        name: (value or b"").decode(errors="backslashreplace")
        for name, value in record.headers
        if allowed or name.lower().startswith(_SHOWN)
    }
    body = body_of(record.value) if allowed else {"body": None, "encoding": None}
    key = None if record.key is None else record.key.decode(errors="backslashreplace")
    return {"key": key, "headers": headers, **body, "hidden": not allowed, "size": len(record.value or b"")}


def body_of(value: bytes | None) -> dict[str, str | None]:
    """A value as text where it is text, else in base64."""
    if value is None:
        return {"body": None, "encoding": None}
    try:
        return {"body": value.decode(), "encoding": "text"}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(value).decode(), "encoding": "base64"}
