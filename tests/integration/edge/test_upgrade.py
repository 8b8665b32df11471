"""A socket on a connection that has served requests, as proxies and pools of clients keep them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from websockets.frames import Frame, Opcode

from edge.sockets.gateway import Gateway
from tests.integration.edge.conftest import DEADLINE, House, until
from tests.integration.edge.test_pull import get

GET = b"GET /v1/devices/tv-1 HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer %b\r\n\r\n"
UPGRADE = (
    b"GET /v1/socket HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture(autouse=True)
def without_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is parted from its connection must end without a word."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


class Wire:
    """A connection as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next response."""
        async with asyncio.timeout(DEADLINE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0"
            return int(head.split()[1]), await self.reader.readexactly(int(size))

    async def until(self, what: bytes) -> None:
        """Read frames until this has come."""
        async with asyncio.timeout(DEADLINE):
            await self.reader.readuntil(what)


@asynccontextmanager
async def wire(house: House) -> AsyncIterator[Wire]:
    """A connection to the device port; it is the edge's only one."""
    gateway = house.edge.gateway
    before = gateway.accepted
    reader, writer = await asyncio.open_connection("127.0.0.1", house.edge.port)
    try:
        yield Wire(reader, writer)
        assert gateway.accepted == before + 1
    finally:
        writer.close()
    await until(lambda: gateway.connections == 0, "nothing of it remains")


def hello(house: House) -> bytes:
    """The frame of a good hello."""
    text = json.dumps({"type": "hello", "token": house.token("tv-1")}).encode()
    return Frame(Opcode.TEXT, text).serialize(mask=True)


def request(house: House) -> bytes:
    """A request that is served."""
    return GET % house.token("tv-1").encode()


async def test_a_pool_that_keeps_connections_opens_a_socket_on_one(house: House) -> None:
    """Requests, then a socket that is live on the same connection; the next request has another one."""
    headers = {"Authorization": f"Bearer {house.token('tv-1')}"}
    gateway = house.edge.gateway
    before = gateway.accepted
    async with aiohttp.ClientSession() as http:
        for path in ("tv-1", "tv-1/notifications", "tv-2", "tv-1/notifications?limit=0"):
            async with http.get(f"{house.base}/v1/devices/{path}", headers=headers) as response:
                await response.read()
        async with http.ws_connect(f"{house.base}/v1/socket", protocols=("lockstep.v1",)) as socket:
            assert (gateway.accepted, gateway.connections) == (before + 1, 1)
            assert socket.protocol == "lockstep.v1"
            await socket.send_json({"type": "hello", "token": house.token("tv-1")})
            assert [(await socket.receive_json())["type"] for _ in range(2)] == ["welcome", "sync_end"]
            await house.store(1, 1)
            assert await house.push(house.note(1, 0, 1, ("tv-1",))) == [200]
            assert (await socket.receive_json())["item"]["data"]["n"] == 1
            async with http.get(f"{house.base}/v1/devices/tv-1", headers=headers) as response:
                assert response.status == 200
            assert gateway.accepted == before + 2
    await until(lambda: gateway.connections == 0, "the socket has ended")
    await until(lambda: is_offline(house), "and its presence")


async def is_offline(house: House) -> bool:
    """Whether nobody is online."""
    return not await house.presence()


@pytest.mark.parametrize("at_once", [True, False], ids=["in one write", "byte by byte"])
async def test_what_comes_behind_the_request_is_read_as_frames(house: House, at_once: bool) -> None:
    """Requests, the upgrade and the hello, however the bytes are cut."""
    data = request(house) * 2 + UPGRADE + hello(house)
    async with wire(house) as connection:
        for at in range(0, len(data), len(data) if at_once else 1):
            connection.writer.write(data[at : at + len(data) if at_once else at + 1])
            if not at_once and at % 64 == 0:
                await asyncio.sleep(0)
        assert [(await connection.answer())[0] for _ in range(3)] == [200, 200, 101]
        await connection.until(b'"sync_end"')


async def test_a_socket_after_polls_that_found_nothing(house: House) -> None:
    """They are answered before HTTP has read them, and leave it as it was."""
    for lane in range(4):
        await house.store(lane, lane + 1)
    _, page, headers = await get(house, "tv-1/notifications")
    target = f"/v1/devices/tv-1/notifications?cursor={page['next_cursor']}"
    token, tag = house.token("tv-1"), headers["ETag"]
    poll = f"GET {target} HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {token}\r\nIf-None-Match: {tag}\r\n\r\n"
    async with wire(house) as connection:
        for data, status in ((poll.encode(), 304), (request(house), 200), (poll.encode(), 304), (UPGRADE, 101)):
            connection.writer.write(data)
            assert (await connection.answer())[0] == status
        connection.writer.write(hello(house))
        await connection.until(b'"sync_end"')


async def test_an_upgrade_that_is_refused_is_told_why(house: House) -> None:
    """A request without one leaves the connection to HTTP, which goes on; a bad one ends it."""
    async with wire(house) as connection:
        connection.writer.write(b"GET /v1/socket HTTP/1.1\r\nHost: edge\r\n\r\n" + request(house))
        status, body = await connection.answer()
        assert (status, json.loads(body)["type"]) == (426, "urn:lockstep:problem:upgrade-required")
        assert (await connection.answer())[0] == 200
        connection.writer.write(UPGRADE.replace(b"Version: 13", b"Version: 8"))
        status, body = await connection.answer()
        assert (status, json.loads(body)["type"]) == (426, "urn:lockstep:problem:bad-upgrade")
        assert await asyncio.wait_for(connection.reader.read(), DEADLINE) == b""


async def test_an_upgrade_to_something_else_is_a_request(house: House) -> None:
    """As clients offer HTTP/2 on any of theirs."""
    async with wire(house) as connection:
        offer = b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
        for data in (request(house).replace(b"\r\n\r\n", offer), request(house)):
            connection.writer.write(data)
            assert (await connection.answer())[0] == 200


async def test_a_socket_on_a_kept_connection_has_a_deadline_too(house: House) -> None:
    """For its hello, as any other."""
    async with wire(house) as connection:
        connection.writer.write(request(house) + UPGRADE)
        assert [(await connection.answer())[0] for _ in range(2)] == [200, 101]
        await connection.until(b"hello-timeout")


async def test_the_gateway_ends_what_it_took_back(house: House) -> None:
    """A drain says goaway there too."""
    async with wire(house) as connection:
        connection.writer.write(request(house) + UPGRADE + hello(house))
        await connection.until(b'"sync_end"')
        gateway: Gateway = house.edge.gateway
        draining = asyncio.create_task(gateway.drain())
        await connection.until(b'"goaway"')
        connection.writer.close()
        await draining
