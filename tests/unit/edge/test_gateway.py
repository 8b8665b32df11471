"""The gateway on transports that only remember: hellos that wait for their turn."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from edge.connection import Connection, Phase
from edge.gateway import Gateway
from edge.identity import Identity
from edge.protocol import Sessions
from streams.settings import Edge
from tests.unit.edge.doubles import LANES, ME, NOW, texts
from tests.unit.edge.test_connection import UPGRADE, FakeTransport, frame

HELLO_S = 2
HELLO = frame(b'{"type":"hello","token":"mine"}')


class Door:
    """In the place of everything that a gateway calls."""

    def __init__(self) -> None:
        self.greeted: list[str] = []

    def verify(self, token: str, now: float) -> Identity:
        """Every token is mine."""
        return ME

    async def greet(self, session: Any, *_: object) -> None:
        """Remember."""
        self.greeted.append(session.device)

    async def unregister(self, session: Any) -> None:
        """Nothing is registered."""


def opened() -> tuple[Gateway, Door]:
    """A gateway without connections."""
    door: Any = Door()
    settings = Edge(hello_timeout=HELLO_S)
    return Gateway(settings, Sessions(LANES), door, door, door, asyncio.Protocol, lambda: float(NOW)), door


def connect(gateway: Gateway, data: bytes) -> tuple[Connection, FakeTransport]:
    """A device that says this."""
    connection = cast(Connection, gateway.accept())
    transport = FakeTransport(connection)
    connection.connection_made(cast(Any, transport))
    connection.data_received(data)
    return connection, transport


async def test_a_hello_that_waits_for_its_turn_is_in_time() -> None:
    """However long a herd keeps the gateway busy; a device that says nothing is late."""
    gateway, door = opened()
    patient, _ = connect(gateway, UPGRADE + HELLO)
    silent, transport = connect(gateway, UPGRADE)
    for _ in range(HELLO_S + 1):
        gateway.advance()
    assert (patient.phase, silent.phase) == (Phase.VERIFYING, Phase.CLOSING)
    assert [each["error"] for each in texts(transport.data[transport.data.index(b"\r\n\r\n") + 4 :])] == [
        "hello-timeout"
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (patient.phase, door.greeted) == (Phase.OPEN, [ME.device])


async def test_a_hello_that_waits_when_the_gateway_drains_gets_no_session() -> None:
    """It is dropped, as those are that have said nothing yet."""
    gateway, door = opened()
    _, waiting = connect(gateway, UPGRADE + HELLO)
    _, silent = connect(gateway, UPGRADE)
    await gateway.drain()
    assert (waiting.ended, silent.ended, door.greeted, len(gateway.sessions)) == ("aborted", "aborted", [], 0)
