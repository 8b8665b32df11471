"""A connection on a transport that only remembers: random bytes, closes, hand-over, flow control."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from edge.protocol import MOST_FRAMES
from edge.sockets import messages
from edge.sockets.connection import Connection, Phase
from tests.unit.edge.doubles import texts
from tests.unit.edge.sockets.transports import UPGRADE, FakeTransport, frame


class FakeGateway:
    """Remembers what the connection tells."""

    def __init__(self) -> None:
        self.tick = 5
        self.calls: list[str] = []
        self.said: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        """Every other call."""
        return lambda *_: self.calls.append(name)

    def admits(self, connection: Connection) -> bool:
        """Any number of frames."""
        return True

    def hello(self, connection: Connection, text: bytes) -> None:
        """The first message."""
        self.said.append(text)

    def message(self, connection: Connection, text: bytes) -> None:
        """A later one."""
        self.said.append(text)

    def handed_over(self, connection: Connection) -> asyncio.Protocol:
        """To HTTP."""
        return FakeHttp()


class FakeHttp(asyncio.Protocol):
    """What other requests go to."""

    data = b""

    def data_received(self, data: bytes) -> None:
        """Remember."""
        self.data += data


def connected() -> tuple[Connection, FakeTransport, FakeGateway]:
    """A connection that was accepted."""
    gateway = FakeGateway()
    connection = Connection(cast(Any, gateway))
    transport = FakeTransport(connection)
    connection.connection_made(cast(Any, transport))
    return connection, transport, gateway


@given(st.booleans(), st.lists(st.binary(max_size=400), max_size=6))
def test_random_bytes_raise_nothing(upgraded: bool, chunks: list[bytes]) -> None:
    """Before the upgrade and after it."""
    connection, transport, _ = connected()
    for chunk in ([UPGRADE] if upgraded else []) + chunks:
        if transport.ended or transport.protocol is not None:
            return
        connection.data_received(chunk)


@given(st.data())
async def test_messages_in_pieces_come_whole_and_the_hello_alone(data: st.DataObject) -> None:
    """What follows the hello waits until it was judged."""
    connection, transport, gateway = connected()
    stream = UPGRADE + frame(b"hello") + frame(b"a") + frame(b"b", fin=False) + frame(b"", Opcode.PING)
    stream += frame(b"c", Opcode.CONT)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        connection.data_received(stream[start:end])
    assert gateway.said == [b"hello"]
    assert connection.phase is Phase.VERIFYING
    assert transport.reading == [False]
    connection.opened(cast(Any, None))
    await asyncio.sleep(0)
    assert gateway.said == [b"hello", b"a", b"bc"]
    assert transport.data.endswith(b"\x8a\x00")
    assert transport.reading == [False, True]
    assert connection.seen == 5


def test_a_close_is_answered_and_ends_the_connection() -> None:
    """With the client's own code."""
    connection, transport, gateway = connected()
    connection.data_received(UPGRADE + frame(b"\x03\xe8", Opcode.CLOSE))
    assert transport.data.endswith(b"\x88\x02\x03\xe8")
    assert transport.ended == "closed"
    assert "left" in gateway.calls


def test_a_shut_connection_waits_for_the_devices_close() -> None:
    """And says and hears nothing else."""
    connection, transport, gateway = connected()
    connection.data_received(UPGRADE)
    before = len(transport.data)
    connection.shut(messages.REPLACED, "why")
    connection.shut(messages.REPLACED, "twice")
    connection.write(b"late")
    connection.data_received(frame(b"x") + frame(b"", Opcode.PING) + frame(b"\x11\x39", Opcode.CLOSE))
    assert [each["error"] for each in texts(transport.data[before:])] == ["replaced"]
    assert transport.data.endswith(b"\x88\x0a\x11\x39replaced")
    assert gateway.said == []
    assert transport.ended == "closed"


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\x81\x01a", 1002), (frame(b"", Opcode.BINARY), 1003), (b"\x81\xff" + b"x" * 12, 1009)],
    ids=["not masked", "binary", "too long"],  # the mask is drawn anew in each process
)
def test_a_frame_against_the_protocol_is_answered_with_its_code(data: bytes, code: int) -> None:
    """Before anything else is read of it."""
    connection, transport, _ = connected()
    connection.data_received(UPGRADE)
    connection.data_received(data)
    (error,) = [each for each in texts(transport.data[transport.data.index(b"\r\n\r\n") + 4 :]) if "code" in each]
    assert (error["error"], error["code"]) == ("protocol-error", code)
    assert connection.phase is Phase.CLOSING


def test_other_requests_are_handed_over_with_all_that_came() -> None:
    """A request in pieces too."""
    connection, transport, _ = connected()
    request = b"GET /v1/devices/tv HTTP/1.1\r\nHost: x\r\n\r\nmore"
    connection.data_received(request[:9])
    connection.data_received(request[9:])
    assert transport.protocol.data == request
    connection.shut(messages.GOING_AWAY, "")
    connection.abort()
    assert transport.ended == ""


@pytest.mark.parametrize(("data", "ended"), [(b"x" * 20_000, "aborted"), (UPGRADE.replace(b"13", b"8"), "closed")])
def test_what_is_no_upgrade_ends(data: bytes, ended: str) -> None:
    """An endless head, an old version."""
    connection, transport, _ = connected()
    connection.data_received(data)
    assert transport.ended == ended


async def test_waiting_for_a_slow_device_ends_when_it_reads_or_leaves() -> None:
    """Whichever comes first."""
    connection, transport, gateway = connected()
    await connection.drained()
    connection.pause_writing()
    waiting = asyncio.create_task(connection.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    connection.data_received(UPGRADE)
    before = len(transport.data)
    connection.data_received(frame(b"", Opcode.PING))
    assert len(transport.data) == before  # no pong for who does not read
    connection.resume_writing()
    await waiting
    assert gateway.calls[-2:] == ["slow", "behind"]
    connection.pause_writing()
    waiting = asyncio.create_task(connection.drained())
    await asyncio.sleep(0)
    transport.abort()
    await waiting


def is_slow(connection: Connection) -> bool:
    """Whether it is given no more now."""
    return connection.paused


def test_many_short_frames_are_too_many_for_a_device_that_does_not_read() -> None:
    """Few bytes wait, and yet it is slow, until all of them are read; then the count begins anew."""
    connection, transport, gateway = connected()
    connection.data_received(UPGRADE)
    for stuck in (False, True):
        transport.stuck = stuck
        for _ in range(MOST_FRAMES):
            connection.write(b"short")
        assert not is_slow(connection)
    connection.write(b"short")
    assert is_slow(connection)
    transport.read(transport.held - 1)
    assert is_slow(connection)
    transport.read(1)
    assert not is_slow(connection)
    assert gateway.calls[-2:] == ["slow", "behind"]
    connection.write(b"short", MOST_FRAMES)
    assert not is_slow(connection)
    connection.write(b"short")
    assert is_slow(connection)


def test_frames_that_were_read_wait_no_longer() -> None:
    """However many are written: each finds the transport empty."""
    connection, transport, gateway = connected()
    connection.data_received(UPGRADE)
    transport.stuck = True
    for _ in range(3 * MOST_FRAMES):
        connection.write(b"short")
        transport.read(5)
    assert "slow" not in gateway.calls


def test_after_many_bytes_the_frames_that_still_wait_count() -> None:
    """The transport says go on while it holds some: those and more are too many, until it holds none."""
    connection, transport, _ = connected()
    connection.data_received(UPGRADE)
    transport.stuck = True
    connection.write(b"x" * 64 * 1024, MOST_FRAMES)
    connection.write(b"x")
    assert is_slow(connection)
    transport.read(60 * 1024)
    assert not is_slow(connection)
    connection.write(b"x")
    assert is_slow(connection)
    transport.read(transport.held)
    assert not is_slow(connection)
