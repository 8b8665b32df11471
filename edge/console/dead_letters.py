"""Dead letters in the console: looked at, decoded, put into ingest again, or done with."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import Counter
from typing import Any, Final

import msgspec
from aiohttp import web

from edge.auth.access import number
from edge.bodies import read_body
from edge.console.answers import as_json
from edge.console.door import API, Door
from edge.console.events import place_in
from edge.console.index.words import event_id
from edge.console.kafka import Topics
from edge.oncall.dlq import DeadLetters
from edge.oncall.letters import LeftOut, Letter, Wanted, as_object, whole
from edge.problems import Problem, malformed
from streams.deadletters import Action
from streams.outcomes import REASONS
from streams.settings import Settings
from streams.topology import Topology

_PATH: Final = API + "dead-letters"
_ONE: Final = _PATH + "/{partition}/{offset}"
#: Records that are read for the list at most, the newest, of all partitions together.
COUNTED: Final = 20_000
_SHOWN: Final = 200
_MOST_SHOWN: Final = 1000
_FOREVER: Final = 1 << 43  # ms
Lines = list[dict[str, Any]]
_MOST_BYTES: Final = 1024
log = logging.getLogger(__name__)


class Agreed(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an action. `again`: also where something was done to the letter before."""

    confirm: bool
    again: bool = False


_agreed = msgspec.json.Decoder(Agreed).decode


class DeadLetterPages:
    """dead-letters and what is under it."""

    def __init__(self, settings: Settings, topology: Topology, topics: Topics, door: Door) -> None:
        self._letters = DeadLetters(settings, topology)
        self._partitions = topology.partitions
        self._topics = topics
        self._door = door
        self._acting = asyncio.Lock()  # or two would find a letter open, and both replay it

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [
            web.get(_PATH, self.list),
            web.get(_ONE, self.show),
            web.post(_ONE + "/replay", self.replay),
            web.post(_ONE + "/discard", self.discard),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """The newest letters from a time on, and how many there are of each reason."""
        self._door.asked(request, "read")
        reason = request.query.get("reason") or None
        if reason not in (None, *REASONS):
            raise Problem(400, "bad-reason", "There is no such reason", f"reasons: {', '.join(REASONS)}")
        limit = number(request, "limit", _SHOWN, _MOST_SHOWN)
        since = number(request, "from", 0, _FOREVER, least=0)
        lines, whole = await self._topics.ask(lambda: self._newest(Wanted(since=since or None)))
        chosen = [line for line in lines if reason in (None, line["reason"])]
        return as_json({
            "letters": chosen[:limit],
            "counts": dict(Counter(line["reason"] for line in lines)),
            "open": sum(line["state"] == "open" for line in lines),
            "whole": whole and len(chosen) <= limit,
        })  # fmt: skip

    def _newest(self, wanted: Wanted) -> tuple[Lines, bool]:
        """Lines, the newest first; the bytes of so many letters are not kept."""
        found, whole = self._letters.newest(wanted, COUNTED)
        return sorted(map(_line, found), key=lambda line: line["at"], reverse=True), whole

    async def show(self, request: web.Request) -> web.Response:
        """One letter, decoded; its bytes for those who may see payloads."""
        self._door.asked(request, "read")
        letter = await self._find(request)
        allowed = self._door.may(request, "payload")
        value = letter.record.value
        shown = {name: each for name, each in whole(letter, allowed).items() if name != "value"}
        if not allowed:
            shown["headers"] = {name: text for name, text in shown["headers"].items() if _is_attribute(name)}
        original = base64.b64encode(value).decode() if allowed and value is not None else None
        return as_json(_line(letter) | shown | {"original": original, "hidden": not allowed})

    async def replay(self, request: web.Request) -> web.Response:
        """Put it into ingest again: it passes every gate anew."""
        return await self._act(request, "replayed")

    async def discard(self, request: web.Request) -> web.Response:
        """Mark it as done with."""
        return await self._act(request, "discarded")

    async def _act(self, request: web.Request, action: Action) -> web.Response:
        operator = self._door.asked(request, "write")
        try:
            agreed = _agreed(await read_body(request, _MOST_BYTES))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise malformed("body", str(error)) from error
        if not agreed.confirm:
            raise Problem(400, "not-confirmed", "It was not confirmed", "confirm must be true")
        async with self._acting:
            letter = await self._find(request)
            if letter.done is not None and not agreed.again:
                raise Problem(409, "done-before", "Something was done to it before", f"it was {letter.done.action}")
            try:
                (done,) = await self._topics.ask(lambda: list(self._letters.act([letter], action)))
            except LeftOut as error:
                raise Problem(409, "left-out", "It is not whole, and cannot be replayed", str(error)) from error
        log.info("operator %s has %s the dead letter %s", operator.name, action, letter.place)
        return as_json(_line(done))

    async def _find(self, request: web.Request) -> Letter:
        """Raises Problem."""
        partition, offset = place_in(request, self._partitions)
        found = await self._topics.ask(lambda: list(self._letters.find(Wanted(offset=offset), partition)))
        if not found:
            raise Problem(404, "not-found", "There is no such dead letter", f"none at {partition}:{offset}")
        return found[0]


def _line(letter: Letter) -> dict[str, Any]:
    """What the list tells of a letter."""
    told = as_object(letter)
    told |= {"at": letter.record.timestamp, "topic": letter.origin.topic, "account": told["key"]}
    return told | {"event_id": event_id(letter.record)}


def _is_attribute(name: str) -> bool:
    return name.lower() == "content-type" or name.lower().startswith("ce_")
