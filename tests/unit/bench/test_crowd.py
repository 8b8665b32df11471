"""The benchmarks' device reads what the edge writes and writes what the edge reads."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from bench.crowd import ACK_EVERY, Arrivals, Device, frames, masked
from edge.sockets import frames as server
from edge.sockets.frames import PONG, TEXT, take

SIZES = (0, 1, 125, 126, 4000, 65_535, 65_536)


@pytest.mark.parametrize("size", SIZES)
def test_frames_of_the_edge_are_read_in_every_length(size: int) -> None:
    """Two in a row, and the start of a third that is not whole."""
    one = server.text(b"x" * size)
    found = list(frames(one + one + one[:-1] if size else one + one))
    assert [(opcode, len(payload), end) for opcode, payload, end in found] == [
        (TEXT, size, len(one)), (TEXT, size, 2 * len(one)),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0, 125, 126, 4000])
def test_the_edge_reads_the_frames_of_a_device(size: int) -> None:
    """They are masked, with a mask that changes nothing."""
    frame = take(masked(TEXT, b"x" * size))
    assert frame is not None
    assert (frame.opcode, frame.payload) == (TEXT, b"x" * size)


class Wire(asyncio.Transport):
    """A transport that only remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Remember."""
        self.written.append(bytes(data))

    def abort(self) -> None:
        """Remember."""
        self.aborted = True


def notification(number: int) -> bytes:
    """A frame with one event."""
    item = {"id": "00", "events": [f"e{number}"], "cursor": f"c{number}"}
    return server.text(msgspec.json.encode({"type": "notification", "item": item}))


async def test_a_device_notes_what_comes_byte_by_byte_answers_pings_and_acks() -> None:
    """It is live after `sync_end`."""
    arrivals, wire = Arrivals(), Wire()
    device = Device((3, 1), "token", arrivals)
    device.connection_made(wire)
    numbers = range(ACK_EVERY)
    said = b"".join(map(notification, numbers))
    stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + server.text(b'{"type":"sync_end","cursor":"c"}') + said
    for byte in stream + server.PING_FRAME:
        device.data_received(bytes((byte,)))
    assert device.live.done()
    assert (list(arrivals.accounts), list(arrivals.devices)) == ([3] * len(numbers), [1] * len(numbers))
    assert list(arrivals.numbers) == list(numbers)
    hello, ack, pong = (take(data) for data in wire.written[1:])
    assert hello is not None
    assert ack is not None
    assert pong is not None
    assert msgspec.json.decode(hello.payload) == {"type": "hello", "token": "token", "cursor": ""}
    assert msgspec.json.decode(ack.payload) == {"type": "ack", "cursor": f"c{numbers[-1]}"}
    assert pong.opcode == PONG


async def test_a_device_that_comes_back_presents_its_newest_cursor_and_need_not_ack() -> None:
    """That of the last item, or of `sync_end` where there was none."""
    wire = Wire()
    arrivals = Arrivals()
    device = Device((3, 1), "token", arrivals, acks=False)
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    for said in (server.text(b'{"type":"sync_end","cursor":"first"}'), b"".join(map(notification, range(ACK_EVERY)))):
        device.connection_made(wire)
        device.data_received(upgrade + said + said[:1])  # ends within a frame
        device.connection_lost(None)
    assert not arrivals.unacked
    device.connection_made(wire)
    device.data_received(upgrade)
    hellos = [take(data) for data in wire.written[1::2]]
    assert len(wire.written) == 6
    assert [msgspec.json.decode(hello.payload)["cursor"] for hello in hellos if hello] == [
        "", "first", f"c{ACK_EVERY - 1}",
    ]  # fmt: skip


async def test_a_socket_that_ends_before_it_is_live_is_an_error() -> None:
    """The crowd must not begin without a device."""
    device = Device((0, 0), "token", Arrivals())
    device.connection_made(Wire())
    device.connection_lost(None)
    with pytest.raises(ConnectionError):
        await device.live
