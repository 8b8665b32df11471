"""Four independent WebSocket libraries at a real edge, beside the browser of tests/e2e/test_clients.py: the same cases,
and the same is seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from edge.sockets.frames import MAX_MESSAGE
from tests.integration.edge.conftest import House, until
from tests.node import installed
from tests.unit.fakes import ROOT

SCRIPT = Path(__file__).parent / "compat" / "compat.mjs"
#: Sizes of payloads: around the lengths at which the header of the edge's frame changes, and the largest event's.
SIZES = [0, 1, 100, 1000, 16_384, 65_000, 65_535, 70_000]
OFFERED = ("other", "lockstep.v1")
DEADLINE = 120
Seen = dict[str, Any]


class Talk(Protocol):
    """One socket of a library."""

    async def send(self, data: str | bytes) -> None:
        """A message."""

    async def start(self, hello: str) -> str:
        """The hello, in fragments with a ping between them where the library can; what the pong said."""

    async def recv(self) -> Seen | None:
        """The next message, None at the end."""

    async def close(self) -> tuple[int, str]:
        """Close with 4001; code and reason of the end."""

    def end(self) -> tuple[int, str]:
        """Code and reason of the end."""

    def agreed(self) -> tuple[str, str]:
        """Sub-protocol and extensions."""


class Websockets:
    """The library `websockets`, which offers to compress unless told otherwise."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, data: str | bytes) -> None:
        """A message."""
        await self._socket.send(data)

    async def start(self, hello: str) -> str:
        """Three fragments."""
        pongs: list[Awaitable[float]] = []

        async def parts() -> AsyncIterator[str]:
            yield hello[:7]
            pongs.append(await self._socket.ping("between"))
            await pongs[0]
            yield hello[7:20]
            yield hello[20:]

        await self._socket.send(parts())
        return "between" if pongs else ""

    async def recv(self) -> Seen | None:
        """The next message."""
        try:
            found: Seen = json.loads(await self._socket.recv())
        except ConnectionClosed:
            return None
        return found

    async def close(self) -> tuple[int, str]:
        """Close."""
        await self._socket.close(4001, "enough")
        return self.end()

    def end(self) -> tuple[int, str]:
        """As the edge said."""
        return self._socket.close_code or 1006, self._socket.close_reason or ""

    def agreed(self) -> tuple[str, str]:
        """As the edge answered."""
        response = self._socket.response
        assert response is not None
        return str(self._socket.subprotocol), response.headers.get("Sec-WebSocket-Extensions", "")


class Aiohttp:
    """The library `aiohttp`, which compresses where it is agreed; it shows no fragments and no reason."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._reason = ""

    async def send(self, data: str | bytes) -> None:
        """A message."""
        await (self._socket.send_str(data) if isinstance(data, str) else self._socket.send_bytes(data))

    async def start(self, hello: str) -> str:
        """In one piece, after a ping whose pong the library keeps for itself."""
        await self._socket.ping(b"between")
        await self._socket.send_str(hello)
        return "between"

    async def recv(self) -> Seen | None:
        """The next message."""
        message = await self._socket.receive(DEADLINE)
        if message.type is aiohttp.WSMsgType.TEXT:
            found: Seen = json.loads(message.data)
            return found
        self._reason = message.extra or ""
        return None

    async def close(self) -> tuple[int, str]:
        """Close."""
        await self._socket.close(code=4001, message=b"enough")
        return self.end()

    def end(self) -> tuple[int, str]:
        """As the edge said."""
        return self._socket.close_code or 1006, self._reason

    def agreed(self) -> tuple[str, str]:
        """As the edge answered."""
        headers = self._socket._response.headers
        return str(self._socket.protocol), headers.get("Sec-WebSocket-Extensions", "")


Dial = Callable[[], Any]


def by_websockets(house: House) -> Dial:
    """Dials with `websockets`."""

    @asynccontextmanager
    async def dial() -> AsyncIterator[Talk]:
        url, offered = f"ws://127.0.0.1:{house.edge.port}/v1/socket", [Subprotocol(name) for name in OFFERED]
        async with connect(url, subprotocols=offered, compression="deflate", max_size=None) as socket:
            yield Websockets(socket)

    return dial


def by_aiohttp(house: House) -> Dial:
    """Dials with `aiohttp`."""

    @asynccontextmanager
    async def dial() -> AsyncIterator[Talk]:
        async with house.http.ws_connect(f"{house.base}/v1/socket", protocols=OFFERED, compress=15) as socket:
            yield Aiohttp(socket)

    return dial


async def play(dial: Dial, token: str) -> Seen:
    """What a library of Python sees; compat.mjs does the same."""
    hello = json.dumps({"type": "hello", "token": token})
    async with dial() as talk:
        pong = await talk.start(hello)
        frames: list[Seen] = []
        while not frames or frames[-1]["type"] != "sync_end":
            found = await talk.recv()
            assert found is not None
            frames.append(found)
        items = [frame["item"] for frame in frames if frame["type"] == "notification"]
        codes = {items[0]["id"]: "ignored"}
        await talk.send(json.dumps({"type": "ack", "cursor": items[-1]["cursor"], "codes": codes}))
        await talk.send('{"type":"ping"}')
        assert await talk.recv() == {"type": "pong"}
        protocol, extensions = talk.agreed()
        sizes = [len(item["data"]["fill"]) for item in items]
        session = {"protocol": protocol, "extensions": extensions, "pong": pong, "sizes": sizes}
        session["closed"] = list(await talk.close())
    return {
        "session": session,
        "large": await refused(dial, *2 * [hello.ljust(MAX_MESSAGE)]),
        "tooLarge": await refused(dial, hello.ljust(MAX_MESSAGE + 1)),
        "binary": await refused(dial, b"\x00\x01"),
        "nonsense": await refused(dial, "{"),
        "badToken": await refused(dial, json.dumps({"type": "hello", "token": "x"})),
    }


async def refused(dial: Dial, *messages: str | bytes) -> list[object]:
    """Code, reason, and the error that came before."""
    async with dial() as talk:
        for message in messages:
            await talk.send(message)
        frame: Seen = {}
        while (found := await talk.recv()) is not None:
            frame = found
        return [*talk.end(), frame["error"]]


async def by_node(house: House, client: str) -> Seen:
    """What a library of Node sees."""
    installed(ROOT / "clients" / "javascript")
    options = {
        "url": f"ws://127.0.0.1:{house.edge.port}", "client": client, "token": house.token("tv-1"), "pad": MAX_MESSAGE,
    }  # fmt: skip
    node = await asyncio.create_subprocess_exec(
        "node", "--no-warnings", str(SCRIPT), json.dumps(options), stdout=asyncio.subprocess.PIPE
    )
    try:
        out, _ = await asyncio.wait_for(node.communicate(), DEADLINE)
    finally:
        if node.returncode is None:
            node.kill()
    assert node.returncode == 0
    found: Seen = json.loads(out)
    return found


@pytest.mark.parametrize("client", ["websockets", "aiohttp", "ws", "undici"])
async def test_each_library_sees_the_same(house: House, client: str) -> None:
    """Nothing is compressed though all offer it; frames of every length, fragments, pings, close codes and reasons."""
    await house.writer.write([house.row(1, number, size=size) for number, size in enumerate(SIZES, 1)])
    match client:
        case "websockets":
            seen = await play(by_websockets(house), house.token("tv-1"))
        case "aiohttp":
            seen = await play(by_aiohttp(house), house.token("tv-1"))
        case _:
            seen = await by_node(house, client)
    assert seen == {
        "session": {
            "protocol": "lockstep.v1", "extensions": "", "pong": "between", "sizes": SIZES, "closed": [4001, ""],
        },
        "large": [4400, "malformed-message", "malformed-message"],
        "tooLarge": [1009, "protocol-error", "protocol-error"],
        "binary": [1003, "protocol-error", "protocol-error"],
        "nonsense": [4400, "malformed-message", "malformed-message"],
        "badToken": [4401, "bad-token", "bad-token"],
    }  # fmt: skip
    await until(lambda: house.edge.gateway.connections == 0, "all have ended")
