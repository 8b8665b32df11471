"""Devices that break the rules cost themselves: the device beside them is pushed to, and nothing of them remains."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from edge.protocol import MOST_FRAMES, MOST_OUT, State
from edge.sockets import messages
from edge.sockets.connection import Connection
from edge.sockets.frames import MAX_MESSAGE, pong
from tests.integration.edge.conftest import DEADLINE, House, Houses, Socket, seq_of, until
from tests.integration.edge.test_upgrade import UPGRADE

#: Streams of the fuzz; each is a good one with a few bytes changed, left out or put in.
STREAMS = 300


class Bystander:
    """A live television, and the way to push to it."""

    def __init__(self, house: House, tv: Socket) -> None:
        self.house = house
        self._tv = tv
        self._last = 0
        self._turn = asyncio.Lock()

    async def is_pushed_to(self) -> None:
        """On the socket that it has, the next in order."""
        house = self.house
        async with self._turn:
            number = self._last + 1
            assert await house.push(house.note(3, seq_of(self._last) if self._last else 0, number, ("tv-1",))) == [200]
            assert [item["data"]["n"] for item in await self._tv.items(1)] == [number]
            self._last = number

    async def watch(self) -> None:
        """It is, all the time, whatever others do."""
        while True:
            await self.is_pushed_to()
            await asyncio.sleep(0.02)

    async def notices_nothing(self) -> None:
        """It is pushed to, and nobody else is connected."""
        await self.is_pushed_to()
        await until(lambda: self.house.edge.gateway.connections == 1, "nothing of the others remains")


@pytest_asyncio.fixture
async def bystander(houses: Houses, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Bystander]:
    """At an edge with short deadlines, whose log must stay free of errors."""
    house = await houses.open(hello_timeout=2)
    await house.register("tv-1")
    await house.register("tv-2")
    async with house.hello("tv-1") as tv:
        await tv.recv()
        await tv.until_synced()
        made = Bystander(house, tv)
        with caplog.at_level(logging.ERROR):
            watching = asyncio.create_task(made.watch())
            yield made
            await made.notices_nothing()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching  # raises what it found
        assert [record.getMessage() for record in caplog.records] == []


async def dialled(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the device port."""
    return await asyncio.open_connection("127.0.0.1", house.edge.port)


def masked(message: object, opcode: Opcode = Opcode.TEXT) -> bytes:
    """A frame of a client."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Frame(opcode, payload).serialize(mask=True)


async def test_changed_streams_end_with_a_close_or_go_on(bystander: Bystander) -> None:
    """Whatever was changed: the edge closes the socket, or answers; it never fails."""
    house = bystander.house
    token = house.token("tv-2")
    good = UPGRADE + masked({"type": "hello", "token": token}) + masked({"type": "ping"}) + masked(b"x", Opcode.PING)
    good += masked(b"\x03\xe8", Opcode.CLOSE)
    dice = random.Random(6455)
    for number in range(STREAMS):
        stream = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            # most places behind the upgrade: that is short
            place = dice.randrange(len(stream)) if number % 4 == 0 else dice.randrange(len(UPGRADE), len(stream))
            match dice.randrange(3):
                case 0:
                    stream[place] ^= 1 << dice.randrange(8)
                case 1:
                    del stream[place : place + dice.randint(1, 8)]
                case _:
                    stream[place:place] = dice.randbytes(dice.randint(1, 8))
        reader, writer = await dialled(house)
        try:
            cut = dice.randrange(len(stream))
            writer.write(bytes(stream[:cut]))
            await asyncio.sleep(0)
            writer.write(bytes(stream[cut:]))
            writer.write_eof()
            async with asyncio.timeout(DEADLINE):
                await reader.read()
        except OSError as error:  # reset in the middle of it; uvloop says so in its own way
            if isinstance(error, TimeoutError):
                raise
        writer.close()
    await bystander.notices_nothing()


@pytest.mark.parametrize("size", [MAX_MESSAGE + 1, 1 << 16, 1 << 62], ids=["one too many", "64 KiB", "four exabytes"])
async def test_a_huge_frame_is_refused_by_its_header(bystander: Bystander, size: int) -> None:
    """Before any of it is there."""
    reader, writer = await dialled(bystander.house)
    length = b"\xfe" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xff" + size.to_bytes(8, "big")
    writer.write(UPGRADE + b"\x81" + length + b"\0\0\0\0")
    async with asyncio.timeout(DEADLINE):
        await reader.readuntil((1009).to_bytes(2, "big") + b"protocol-error")
    await bystander.notices_nothing()
    writer.close()


@pytest.mark.parametrize(
    ("before", "slowly", "end"),
    [
        (b"", UPGRADE, b""),
        (UPGRADE, masked({"type": "hello", "token": "x" * 200}), b"hello-timeout"),
        (UPGRADE, masked(b"x", Opcode.PING) * 30, b"hello-timeout"),
    ],
    ids=["the request", "the hello", "pings instead of a hello"],
)
async def test_bytes_that_drip_have_a_deadline(bystander: Bystander, before: bytes, slowly: bytes, end: bytes) -> None:
    """That of a hello: what comes meanwhile does not move it."""
    reader, writer = await dialled(bystander.house)
    writer.write(before)

    async def drip() -> None:
        for at in range(len(slowly)):
            writer.write(slowly[at : at + 1])
            await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(DEADLINE):
        if end:
            await reader.readuntil(end)
        else:
            with suppress(ConnectionError):
                assert await reader.read() == b""
    assert not dripping.done()
    dripping.cancel()
    await asyncio.wait([dripping])
    writer.close()


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("POST", "/acks")])
async def test_a_body_that_drips_has_a_deadline(
    bystander: Bystander, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """408; who sends it holds a request of the edge."""
    monkeypatch.setattr("edge.bodies.BODY_S", 0.5)
    house = bystander.house
    reader, writer = await dialled(house)
    head = f"{method} /v1/devices/tv-2{path} HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {house.token('tv-2')}\r\n"
    writer.write(head.encode() + b"Content-Length: 1000\r\n\r\n{")
    async with asyncio.timeout(DEADLINE):
        answer = await reader.readuntil(b"too-slow")
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()


@pytest.mark.parametrize("pause", [0.05, 30.0], ids=["that drips", "that stops"])
async def test_a_head_on_a_connection_that_is_kept_has_a_deadline(
    bystander: Bystander, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    """Once it has begun; before that the connection may wait, and a head in two pieces is answered."""
    monkeypatch.setattr("edge.pull.quick.HEAD_S", 1.0)
    house = bystander.house
    reader, writer = await dialled(house)
    request = f"GET /v1/devices/tv-2 HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {house.token('tv-2')}\r\n\r\n"
    head = request.encode()

    async def answered(first: int) -> None:
        writer.write(head[:first])
        await asyncio.sleep(0.1)
        writer.write(head[first:])
        async with asyncio.timeout(DEADLINE):
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].split()[0]))

    async def drip() -> None:
        for at in range(len(head) - 1):
            writer.write(head[at : at + 1])
            await asyncio.sleep(pause)

    await answered(len(head))
    await asyncio.sleep(1.2)  # longer than a head may take
    await answered(40)
    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(DEADLINE):
        with suppress(ConnectionError):
            assert await reader.read() == b""
    assert not dripping.done()
    dripping.cancel()
    await asyncio.wait([dripping])
    writer.close()


async def test_a_device_that_never_acks_gets_everything(bystander: Bystander) -> None:
    """Its place is what it shows when it comes back, and nothing is kept for it here."""
    house = bystander.house
    async with house.hello("tv-2") as mute:
        await mute.recv()
        _, start = await mute.until_synced()
        (session,) = [each for each in house.edge.gateway.sessions.all() if each.device == "tv-2"]
        prev = 0
        for number in range(1, 301):
            await house.writer.write([house.row(1, number)])
            assert await house.push(house.note(1, prev, number, ("tv-2",))) == [200]
            prev = seq_of(number)
        assert [item["data"]["n"] for item in await mute.items(300)] == list(range(1, 301))
        assert (session.state, session.acked[1], session.missed, session.out) == (State.LIVE, 0, {}, b"")
    async with house.hello("tv-2", start) as again:
        await again.recv()
        items, _ = await again.until_synced()
        assert [item["data"]["n"] for item in items] == list(range(1, 301))


async def test_a_batch_for_a_device_that_does_not_read_is_bounded(bystander: Bystander) -> None:
    """What waits for it in this process is some frames, whatever is pushed; when it reads it gets all, in order."""
    house, most = bystander.house, 400
    async with house.hello("tv-2") as deaf:
        await deaf.recv()
        await deaf.until_synced()
        deaf.connection.transport.pause_reading()
        await house.writer.write([house.row(1, number, size=2000) for number in range(1, most + 1)])
        await house.heads.advance({(house.account, 1): seq_of(most)})
        notes = [
            house.note(1, seq_of(number - 1) if number > 1 else 0, number, ("tv-2",), size=2000)
            for number in range(1, most + 1)
        ]
        statuses = await house.push(*notes)
        taken = statuses.count(200)
        assert 0 < taken < most
        assert statuses == [200] * taken + [503] * (most - taken)
        (session,) = [each for each in house.edge.gateway.sessions.all() if each.device == "tv-2"]
        link = session.link
        assert isinstance(link, Connection)
        assert link._transport is not None
        assert link._transport.get_write_buffer_size() < 64 * 1024 + MOST_OUT + 3000
        deaf.connection.transport.resume_reading()
        items, _ = await deaf.until_synced()
        assert [item["data"]["n"] for item in items] == list(range(1, most + 1))


async def test_pings_of_a_device_that_does_not_read_are_answered_so_often_and_no_more(bystander: Bystander) -> None:
    """Pongs are as short as frames can be: it is their number that ends. When it reads, it goes on."""
    house = bystander.house
    async with house.hello("tv-2") as deaf:
        await deaf.recv()
        await deaf.until_synced()
        (session,) = [each for each in house.edge.gateway.sessions.all() if each.device == "tv-2"]
        link = session.link
        assert isinstance(link, Connection)
        transport = link._transport
        assert transport is not None
        deaf.connection.transport.pause_reading()
        while not transport.get_write_buffer_size():
            link.write(messages.PONG * 1000)
            await asyncio.sleep(0.05)  # what the kernel takes a moment later does not wait here
        held = transport.get_write_buffer_size()
        for number in range(2 * MOST_FRAMES):
            await deaf.connection.ping(b"%4d" % number)
        await until(lambda: link.paused, "it is slow")
        assert transport.get_write_buffer_size() - held <= len(pong(b"ping")) * (MOST_FRAMES + 1)
        deaf.connection.transport.resume_reading()
        await until(lambda: not link.paused, "it reads again")
        await deaf.until_synced()


async def test_a_flood_of_frames_ends_the_connection_that_it_comes_on(bystander: Bystander) -> None:
    """By the limits of its welcome, with a code of its own."""
    house = bystander.house
    async with house.hello("tv-2") as loud:
        limits = (await loud.recv())["limits"]
        await loud.until_synced()
        with suppress(ConnectionClosed):
            for _ in range(3 * int(limits["frames_at_once"])):
                await loud.send(type="ping")
        code, frames = await loud.closed()
    assert (code, frames[-1]["error"]) == (4429, "too-many-frames")
    assert limits["frames_at_once"] - 2 <= sum(each["type"] == "pong" for each in frames)
    assert house.edge.gateway.sessions.counts.flooded == 1


async def test_a_token_that_ends_in_mid_connection_ends_the_connection(houses: Houses) -> None:
    """With `goaway`, so that the device comes back with another one; who stays on is not told."""
    house = await houses.open(ping_interval=1)
    for name in ("tv-1", "tv-2"):
        await house.register(name)
    short = house.token("tv-2", lifetime=2)
    async with house.hello("tv-1") as neighbour, house.hello("tv-2", token=short) as tv:
        for screen in (neighbour, tv):
            await screen.recv()
            await screen.until_synced()
        code, frames = await tv.closed()
        assert (code, [frame["type"] for frame in frames]) == (1001, ["goaway", "error"])
        assert frames[0]["reason"] == "lifetime"
        assert await house.push(house.note(0, 0, 1, ("tv-2", "tv-1"))) == [404, 200]
        assert [item["data"]["n"] for item in await neighbour.items(1)] == [1]
    async with house.hello("tv-2", token=house.token("tv-2")) as back:
        assert (await back.recv())["type"] == "welcome"
