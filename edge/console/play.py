"""Tokens for the devices that the page itself is: only where a development key signs them."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from edge.auth.tokens import BadKeys, BadToken, issue
from edge.bodies import read_body
from edge.console.answers import as_json
from edge.console.door import API, Door
from edge.console.pipeline import edge_of
from edge.problems import Problem, malformed
from streams.settings import Settings
from streams.topology import Topology

LIFE_S: Final = 3600.0
_MOST_BYTES: Final = 4096
log = logging.getLogger(__name__)


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """Which device the page wants to be."""

    account: str
    device: str
    type: str


_wish = msgspec.json.Decoder(Wish).decode


class Play:
    """POST play/token"""

    def __init__(self, settings: Settings, topology: Topology, door: Door) -> None:
        self._settings = settings
        self._types = topology.device_types
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [web.post(API + "play/token", self.token)]

    async def token(self, request: web.Request) -> web.Response:
        """A device token that is good for an hour. The device registers by itself, and is forgotten by hand."""
        operator = self._door.asked(request, "write")
        if not self._settings.console.play_key:
            detail = "LOCKSTEP_CONSOLE__PLAY_KEY names no development key: devices get their tokens elsewhere"
            raise Problem(404, "no-play-key", "The page cannot be a device here", detail)
        try:
            wish = _wish(await read_body(request, _MOST_BYTES))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise malformed("body", str(error)) from error
        if wish.type not in self._types:
            raise Problem(400, "unknown-device-type", "No such device type", f"declared: {self._types}")
        token = await asyncio.to_thread(self._issue, wish)
        log.info("operator %s has taken a token for a device of the page", operator.name)
        return as_json({"token": token, "edge": edge_of(self._settings), "life_s": LIFE_S})

    def _issue(self, wish: Wish) -> str:
        key = Path(self._settings.console.play_key)
        try:
            return issue(key, self._settings.tokens, wish.device, wish.account, wish.type, LIFE_S)
        except BadToken as error:
            raise Problem(400, "malformed-device", "There can be no such device", str(error)) from error
        except BadKeys as error:
            log.warning("%s", error)
            raise Problem(503, "no-play-key", "The development key cannot be used", str(error)) from error
