"""What the gateways beside lockstep's share: their orders, who is connected, and the internal port, on aiohttp."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web

from sinks import wire

HOST: Final = "127.0.0.1"
SUBPROTOCOL: Final = "lockstep.v1"
#: Seconds between two pings, as lockstep has them.
PING_S: Final = 55
SYNC_END: Final = '{"type":"sync_end","cursor":""}'
_encode = msgspec.json.Encoder().encode


class Orders(NamedTuple):
    """Ports for devices and for pushes, and where Redis is."""

    port: int
    push_port: int
    redis: dict[str, Any]


def read_orders() -> Orders:
    """What the environment says."""
    return Orders(**json.loads(os.environ["GATEWAY"]))


class Claims(NamedTuple):
    """Who a token speaks for."""

    account: str
    device: str
    type: str


def read_token(token: str) -> Claims:
    """The claims of a token; nobody checks its signature here."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return Claims(claims["account"], claims["sub"], claims["type"])


class Devices:
    """Connections by account and device; `send` writes one text message to one, and may have to be awaited."""

    def __init__(self, send: Callable[[Any, bytes], Awaitable[None] | None]) -> None:
        self._send = send
        self._held: dict[tuple[str, str], Any] = {}

    def hold(self, hello: str | bytes, connection: Any) -> tuple[str, str]:
        """A device said hello; its name, for `leave`."""
        account, device, _ = read_token(json.loads(hello)["token"])
        self._held[account, device] = connection
        return account, device

    def leave(self, name: tuple[str, str]) -> None:
        """Its connection ended."""
        self._held.pop(name, None)

    async def push(self, request: web.Request) -> web.Response:
        """A batch as lockstep's gateway takes it: each item to its devices, a status for each."""
        statuses = []
        for note in wire.decode_delivery(await request.read()).notes:
            text = _message(note)
            for device in note.targets:
                connection = self._held.get((note.account, device))
                statuses.append(wire.NOT_HERE if connection is None else wire.TAKEN)
                if connection is not None and (sending := self._send(connection, text)) is not None:
                    await sending
        return web.Response(body=wire.encode_statuses(statuses), content_type=wire.CONTENT_TYPE)

    async def serve_pushes(self, port: int) -> None:
        """Open the internal port."""
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_post(wire.PATH, self.push)
        await serve(app, port)


async def serve(app: web.Application, port: int) -> None:
    """Serve an application for as long as the process lives."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=4096).start()


def _message(note: wire.Note) -> bytes:
    item = {"id": note.id.hex(), "type": note.type, "time": note.time, "events": note.events,
            "data": msgspec.Raw(note.payload), "cursor": str(note.seq)}  # fmt: skip
    return _encode({"type": "notification", "item": item})
