"""Ten thousand connections at once: each has its answer, and a device that was there before gets its events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

from deploy.local.ports import free_ports
from tests.e2e.events import event, send
from tests.e2e.household import Household
from tests.e2e.system import System

CALLERS = 10_000
DEADLINE = 180
UPGRADE = (
    b"GET /v1/socket HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
TEXT = b'{"type":"hello","token":"none"}'
#: A frame masked with zeros.
HELLO = bytes((0x81, 0x80 | len(TEXT))) + b"\0\0\0\0" + TEXT
REFUSED = (4401).to_bytes(2, "big") + b"bad-token"


class Caller(asyncio.Protocol):
    """Upgrades, says a bad hello when it is told to, and hangs up once it was refused."""

    def __init__(self) -> None:
        self.heard = b""
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade at once."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(UPGRADE)

    def hello(self) -> None:
        """Say it."""
        if self._transport is not None:
            self._transport.write(HELLO)

    def data_received(self, data: bytes) -> None:
        """The upgrade, the error, and the close."""
        self.heard += data
        if not self.open.done() and self.heard.endswith(b"\r\n\r\n"):
            self.open.set_result(None)
        if self._transport is not None and self.heard.endswith(REFUSED):
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        if self.heard.endswith(REFUSED):
            self.over.set_result(self.heard)
            return
        for future in (self.open, self.over):
            if not future.done():
                future.set_exception(exc or EOFError(self.heard))


async def call_all(port: int) -> list[bytes]:
    """All connect, then all say hello; what each heard. Raises OSError or EOFError for one that had no answer."""
    loop = asyncio.get_running_loop()
    made = await asyncio.gather(*(loop.create_connection(Caller, "127.0.0.1", port) for _ in range(CALLERS)))
    callers = [caller for _, caller in made]
    await asyncio.gather(*(caller.open for caller in callers))
    for caller in callers:
        caller.hello()
    return list(await asyncio.gather(*(caller.over for caller in callers)))


@pytest.fixture
def patient(running: System) -> Iterator[System]:
    """The system with an edge of its own, which waits for the hellos of callers that share one slow process."""
    port, push = free_ports(2)
    edge = running.pipeline.edge(
        LOCKSTEP_EDGE__PORT=str(port), LOCKSTEP_EDGE__PUSH_PORT=str(push), LOCKSTEP_EDGE__HELLO_TIMEOUT=str(DEADLINE)
    )
    running.pipeline.wait_ready([edge])
    yield replace(running, url=f"http://127.0.0.1:{port}")
    edge.stop()


async def test_ten_thousand_connections_at_once(patient: System) -> None:
    """None is refused or forgotten; events of another device come on the socket that it had before."""
    async with Household(patient) as home, asyncio.timeout(DEADLINE):
        screen = await home.on("bystander")
        herd = asyncio.create_task(call_all(int(patient.url.rpartition(":")[2])))
        published: list[str] = []
        while not herd.done() or len(published) < 5:
            made = event(home.account)
            await send(patient, made)
            published.append(made["id"])
            await screen.shows(*published)
        heard = await herd
        assert {answer[:12] for answer in heard} == {b"HTTP/1.1 101"}
        assert len(heard) == CALLERS
        assert screen.code is None
