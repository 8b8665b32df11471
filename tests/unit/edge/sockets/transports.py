"""A transport that only remembers, and what a device sends over one."""

from __future__ import annotations

from typing import Any

from websockets.frames import Frame, Opcode

from edge.sockets.connection import Connection

UPGRADE = (
    b"GET /v1/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class FakeTransport:
    """Remembers; `close` and `abort` tell the connection at once. While `stuck` it holds what is written, as a
    transport does whose device does not read, and says stop and go on at its limits."""

    def __init__(self, connection: Connection) -> None:
        self.stuck = False
        self.held = 0
        self.high = 64 * 1024
        self.stopped = False
        self.connection = connection
        self.data = b""
        self.reading: list[bool] = []
        self.ended = ""
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        """Remember."""
        self.data += data
        if self.stuck:
            self.held += len(data)
            self._look()

    def get_write_buffer_size(self) -> int:
        """What is held."""
        return self.held

    def set_write_buffer_limits(self, high: int = 64 * 1024) -> None:
        """From now on."""
        self.high = high
        self._look()

    def read(self, size: int) -> None:
        """The device reads so much."""
        self.held = max(0, self.held - size)
        if self.stopped and self.held <= self.high // 4:
            self.stopped = False
            self.connection.resume_writing()

    def _look(self) -> None:
        if not self.stopped and self.held > self.high:
            self.stopped = True
            self.connection.pause_writing()

    def pause_reading(self) -> None:
        """Remember."""
        self.reading.append(False)

    def resume_reading(self) -> None:
        """Remember."""
        self.reading.append(True)

    def set_protocol(self, protocol: Any) -> None:
        """Remember."""
        self.protocol = protocol

    def close(self) -> None:
        """In good order."""
        self._end("closed")

    def abort(self) -> None:
        """At once."""
        self._end("aborted")

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            self.connection.connection_lost(None)


def frame(payload: bytes, opcode: Opcode = Opcode.TEXT, fin: bool = True) -> bytes:
    """A client's frame."""
    return Frame(opcode, payload, fin).serialize(mask=True)
