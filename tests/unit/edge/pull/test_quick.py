"""Polls that are answered before HTTP is read, and requests that are not."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from aiohttp import web

from edge.pull.quick import MOST_HELD, QuickHandler, due

LINE = b"GET /v1/devices/tv-1/notifications?cursor=AQBr_-9 HTTP/1.1\r\n"
HOST, AUTH, TAG = b"Host: edge\r\n", b"Authorization: Bearer a.b.c\r\n", b'If-None-Match: "1-2"\r\n'
POLL = LINE + HOST + AUTH + TAG + b"\r\n"


ACK = b"POST /v1/devices/tv-1/acks HTTP/1.1\r\n" + HOST + b"Content-Length: 7\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([POLL], 0),
        ([b"GET / HTTP/1.1\r\n\r\n", POLL, b""], 0),
        ([ACK], 7),
        ([ACK + b"1234567", POLL], 0),
        ([ACK + b"12", b"", b"34", b"567"], 0),
        ([ACK + b"\r\n\r\n", b"567"], 0),
        ([ACK.replace(b"Content-Length: 7", b"content-length:7")], 7),
        ([POLL.replace(HOST, b"Content-Length: 3\r\n")], 3),
        ([POLL[:-1]], -1),
        ([POLL[:-1], b"\n", POLL], -1),
        ([POLL * 2], -1),
        ([ACK + b"12345678"], -1),
        ([ACK + b"12345", b"678", POLL], -1),
        ([POLL.replace(b"GET", b"CONNECT")], -1),
        ([ACK.replace(b": 7", b": 7, 7")], -1),
        ([ACK.replace(b": 7", b" : 7")], -1),
        ([ACK.replace(b": 7", b": 7\nX: y")], -1),
        ([ACK.replace(HOST, b"Content-Length: 7\r\n")], -1),
        ([ACK.replace(HOST, b"Transfer-Encoding: chunked\r\n")], -1),
        ([POLL.replace(HOST, b"Connection: Upgrade\r\n")], -1),
    ],
)
def test_where_a_request_ends_is_known_for_certain_or_not_at_all(parts: list[bytes], expected: int) -> None:
    """Else bytes of a body would be read as a request."""
    left = 0
    for part in parts:
        left = due(left, part)
    assert left == expected


class Wire(asyncio.Transport):
    """Remembers what was written, and whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.reads = True
        self.wrote = asyncio.Event()

    def write(self, data: Any) -> None:
        """Remember."""
        self.data += data
        self.wrote.set()

    def is_closing(self) -> bool:
        """Never."""
        return False

    def pause_reading(self) -> None:
        """Remember."""
        self.reads = False

    def resume_reading(self) -> None:
        """Remember."""
        self.reads = True

    def close(self) -> None:
        """Nothing."""


class Polls:
    """Knows one poll by heart, and answers it when told to."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[tuple[int, ...]]] = []
        self.heads: tuple[int, ...] | None = None

    def take(self, data: bytes) -> str | None:
        """Whether it is that one."""
        return "poll" if data == POLL else None

    def known(self, poll: str) -> tuple[int, ...] | None:
        """As told."""
        return self.heads

    def ask(self, poll: str) -> asyncio.Future[tuple[int, ...]]:
        """Later."""
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]

    def answer(self, poll: str, heads: tuple[int, ...]) -> bytes | None:
        """Quickly, where nothing is new."""
        return b"quick " if heads == (1,) else None


async def ack(request: web.BaseRequest) -> web.Response:
    """Any other request."""
    await request.read()
    return web.Response(text="slow ")


async def opened(polls: Polls, wire: Wire) -> QuickHandler:
    """A connection on which HTTP waits for a request."""
    handler = QuickHandler(cast(Any, polls), web.Server(ack), loop=asyncio.get_running_loop(), access_log=None)
    handler.connection_made(wire)
    await asyncio.sleep(0)
    return handler


async def until_answered(wire: Wire, answer: bytes) -> None:
    """Let the loop turn, and HTTP come to its next request."""
    async with asyncio.timeout(10):
        while not wire.data.endswith(answer):
            wire.wrote.clear()
            await wire.wrote.wait()
    for _ in range(9):
        await asyncio.sleep(0)


async def test_what_comes_behind_a_poll_that_waits_is_bounded() -> None:
    """Reading stops while Redis is slow, and goes on with the answer; nothing is lost or passed over."""
    polls, wire = Polls(), Wire()
    handler = await opened(polls, wire)
    handler.data_received(POLL)
    behind = ACK.replace(b": 7", b": %d" % (2 * MOST_HELD)) + b"x" * (2 * MOST_HELD)
    sizes = []
    while behind and wire.reads:
        part, behind = behind[:10_000], behind[10_000:]
        handler.data_received(part)
        sizes.append(len(part))
    assert MOST_HELD < sum(sizes) <= MOST_HELD + 10_000
    polls.asked[0].set_result((1,))
    await until_answered(wire, b"quick ")
    assert wire.reads
    handler.data_received(behind)
    await until_answered(wire, b"slow ")
    assert wire.data.startswith(b"quick HTTP/1.1 200 ")
    handler.connection_lost(None)


async def test_a_poll_behind_an_ack_is_quick() -> None:
    """Also where the body came later than the head; not where aiohttp may have the start of another request."""
    polls, wire = Polls(), Wire()
    handler = await opened(polls, wire)
    for parts in ((ACK + b"1234567",), (ACK, b"1234567"), (ACK + b"123", b"4567")):
        for part in parts:
            handler.data_received(part)
        await until_answered(wire, b"slow ")
        handler.data_received(POLL)
        polls.asked.pop().set_result((1,))
        await until_answered(wire, b"quick ")
    handler.data_received(POLL[:9])
    handler.data_received(POLL)
    assert not polls.asked
    handler.connection_lost(None)


async def test_a_poll_whose_heads_are_known_is_answered_at_once() -> None:
    """Nobody is asked, and no turn of the loop is needed; what comes behind is a request as any."""
    polls, wire = Polls(), Wire()
    handler = await opened(polls, wire)
    polls.heads = (1,)
    handler._next_keepalive_close_time = 0
    for _ in range(2):
        handler.data_received(POLL)
    assert wire.data == b"quick quick "
    assert handler._next_keepalive_close_time > asyncio.get_running_loop().time()
    handler.data_received(ACK + b"1234567")
    await until_answered(wire, b"slow ")
    handler.data_received(POLL)
    assert wire.data.endswith(b"slow quick ")
    assert not polls.asked
    handler.connection_lost(None)


async def test_a_poll_that_known_heads_do_not_answer_goes_to_http() -> None:
    """From its first byte; Redis is not asked here."""
    polls, wire = Polls(), Wire()
    handler = await opened(polls, wire)
    polls.heads = (2,)
    handler.data_received(POLL)
    await until_answered(wire, b"slow ")
    assert wire.data.startswith(b"HTTP/1.1 200 ")
    assert not polls.asked
    handler.connection_lost(None)


async def test_polls_behind_one_that_waits_are_answered_in_their_order() -> None:
    """Also where the heads have become known meanwhile: nothing is answered before what came first."""
    polls, wire = Polls(), Wire()
    handler = await opened(polls, wire)
    handler.data_received(POLL)
    polls.heads = (1,)
    handler.data_received(POLL)
    assert wire.data == b""
    polls.asked[0].set_result((2,))  # something is new: both go on to HTTP
    await until_answered(wire, b"slow ")
    async with asyncio.timeout(10):
        while wire.data.count(b"slow ") < 2:
            wire.wrote.clear()
            await wire.wrote.wait()
    assert b"quick" not in wire.data
    handler.connection_lost(None)
