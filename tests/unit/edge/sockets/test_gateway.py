"""The gateway on transports that only remember: hellos that wait for their turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest
from websockets.frames import Opcode

from edge.auth.identity import Identity
from edge.protocol import Sessions
from edge.sockets.connection import Connection, Phase
from edge.sockets.gateway import DRAIN_S, GRACE_S, TURNS, Gateway
from edge.sockets.slices import Slices
from edge.sockets.terms import BURST
from streams.settings import Edge
from tests.unit.edge.doubles import LANES, ME, NOW, texts
from tests.unit.edge.sockets.transports import UPGRADE, FakeTransport, frame

HELLO_S = 2
HELLO = frame(b'{"type":"hello","token":"mine"}')


class Door:
    """In the place of everything that a gateway calls."""

    def __init__(self, life: float = 3600.0) -> None:
        self.greeted: list[str] = []
        self._life = life
        self._verified = 0

    def verify(self, token: str, now: float) -> Identity:
        """The token `mine` is mine, any other that of one more device; it is good for a while yet."""
        self._verified += token != "mine"
        return ME._replace(device=f"tv-{self._verified}" if self._verified else ME.device, expires=now + self._life)

    async def greet(self, session: Any, *_: object) -> None:
        """Remember."""
        self.greeted.append(session.device)

    async def leave(self, session: Any) -> None:
        """Nothing is registered."""


def opened(life: float = 3600.0, steady: Callable[[], float] = time.monotonic) -> tuple[Gateway, Door]:
    """A gateway without connections, and tokens that are good for so long."""
    door: Any = Door(life)
    settings = Edge(hello_timeout=HELLO_S)
    return Gateway(settings, Sessions(LANES), door, door, door, asyncio.Protocol, lambda: float(NOW), steady), door


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


async def test_a_hello_that_cannot_be_judged_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is read while it waits, not even its end: it would be held for ever."""
    gateway, door = opened()
    monkeypatch.setattr(door, "verify", lambda token, now: {}[token])
    lost, transport = connect(gateway, UPGRADE + HELLO)
    await done(gateway.hellos, 2)
    assert (transport.ended, lost.phase, gateway.connections) == ("aborted", Phase.CLOSED, 0)


async def crowd(gateway: Gateway, number: int) -> list[tuple[Connection, FakeTransport]]:
    """So many devices that have said hello."""
    devices = [connect(gateway, UPGRADE + frame(b'{"type":"hello","token":"other"}')) for _ in range(number)]
    await done(gateway.hellos, number)
    await asyncio.sleep(0)
    return devices


async def done(slices: Slices, most: int) -> None:
    """Have the loop turn until queued work is done, of which each turn does one or more."""
    for _ in range(most):
        await asyncio.sleep(0)
        if not len(slices):
            break


def goaways(transport: FakeTransport) -> list[dict[str, Any]]:
    """What a device was told of that kind."""
    data = transport.data[transport.data.index(b"\r\n\r\n") + 4 :]
    return [each for each in texts(data) if each["type"] == "goaway"]


@pytest.mark.parametrize(
    ("life", "first", "last"),
    [(3600.0, 1620, 1800), (600.0, 600 + GRACE_S - 55, 600 + GRACE_S), (5.0, 0, 55)],
    ids=["30 minutes less a random 3", "a token that ends before", "a token that ends before it is looked at"],
)
async def test_a_connection_ends_in_time_and_not_with_all_others(life: float, first: int, last: int) -> None:
    """However the pings fall; those that came at the same time leave at different ones, each told once."""
    gateway, _ = opened(life)
    devices = await crowd(gateway, 200)
    told: dict[int, int] = {}
    for tick in range(1, last + 1):
        for connection, _ in devices:
            connection.seen = gateway.tick  # it answers its pings
        gateway.advance()
        for _ in range(TURNS):
            gateway.turn()
            await done(gateway.turns, len(devices))
        for number, (_, transport) in enumerate(devices):
            if number not in told and b'"goaway"' in transport.data:
                told[number] = tick
    assert len(told) == len(devices)
    assert first <= min(told.values()) <= max(told.values()) <= last
    assert len(set(told.values())) > 30
    assert all(each["reason"] == "lifetime" for _, transport in devices for each in goaways(transport))
    assert {len(goaways(transport)) for _, transport in devices} == {1}


async def test_pings_are_spread_over_each_second() -> None:
    """A herd that came at once is not pinged at once, or the answers would come at once."""
    gateway, _ = opened()
    devices = await crowd(gateway, 2000)
    before = [len(transport.data) for _, transport in devices]
    most = 0
    for _ in range(Edge().ping_interval * TURNS):
        gateway.turn()
        most = max(most, len(gateway.turns))
        await done(gateway.turns, len(devices))
    assert most < 20
    assert all(len(transport.data) > begin for begin, (_, transport) in zip(before, devices, strict=True))


@pytest.mark.parametrize(("number", "a_turn"), [(400, 50), (2000, 50), (6000, 60)])
async def test_a_drain_is_paced_and_bounded(monkeypatch: pytest.MonkeyPatch, number: int, a_turn: int) -> None:
    """So many devices in each tenth of a second, all within ten, each with another time to come back."""
    gateway, _ = opened()
    devices = await crowd(gateway, number)
    pauses: list[float] = []
    counts: list[int] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        counts.append(sum(b'"goaway"' in transport.data for _, transport in devices))

    async def at_once(seconds: float) -> None:
        pauses.append(seconds)

    with monkeypatch.context() as patched:
        patched.setattr("edge.sockets.gateway.asyncio.sleep", sleep)
        patched.setattr(gateway, "_until_empty", at_once)
        await gateway.drain()
    assert counts[-1] == number
    assert max(after - before for before, after in pairwise([0, *counts])) == a_turn
    assert sum(pauses) <= DRAIN_S + GRACE_S + 1
    back = [goaways(transport)[0]["reconnect_after"] for _, transport in devices]
    assert 0 <= min(back) < 1 < DRAIN_S - 1 < max(back) <= DRAIN_S
    assert len(set(back)) > 50
    assert {goaways(transport)[0]["reason"] for _, transport in devices} == {"draining"}
    assert all(transport.data.endswith(b"going-away") for _, transport in devices)


async def test_a_hello_that_waits_when_the_gateway_drains_gets_no_session() -> None:
    """It is dropped, as those are that have said nothing yet."""
    gateway, door = opened()
    _, waiting = connect(gateway, UPGRADE + HELLO)
    _, silent = connect(gateway, UPGRADE)
    await gateway.drain()
    assert (waiting.ended, silent.ended, door.greeted, len(gateway.sessions)) == ("aborted", "aborted", [], 0)


async def test_a_device_that_sends_too_many_frames_is_closed_and_read_no_further() -> None:
    """What it may send at once passes, and again after a pause; its neighbour has a bucket of its own."""
    clock = [50.0]
    gateway, _ = opened(steady=lambda: clock[0])
    (loud, transport), (calm, _) = await crowd(gateway, 2)
    most = int(BURST * Edge().frame_rate) - 1  # its hello was one
    ping, pongs = frame(b"", Opcode.PING), len(transport.data)
    for _ in range(most):
        loud.data_received(ping)
    assert transport.data[pongs:] == b"\x8a\x00" * most
    clock[0] += 1.0
    pongs = len(transport.data)
    again = int(Edge().frame_rate)
    loud.data_received(ping * (again + 1) + frame(b'{"type":"ping"}') * 5)
    assert transport.data[pongs:].startswith(b"\x8a\x00" * again)
    assert [each["error"] for each in texts(transport.data[pongs:])] == ["too-many-frames"]
    assert transport.data.endswith((4429).to_bytes(2, "big") + b"too-many-frames")
    assert (loud.phase, transport.reading[-1], gateway.sessions.counts.flooded) == (Phase.CLOSING, False, 1)
    calm.data_received(ping)
    assert calm.phase is Phase.OPEN
    for _ in range(GRACE_S):
        gateway.advance()
    assert transport.ended == "aborted"
