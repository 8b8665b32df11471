"""A device's connection: HTTP upgrade, frames in and out, flow control; any other request is handed to aiohttp."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, cast

from edge.protocol import MOST_FRAMES, Session
from edge.sockets import frames, handshake, messages

if TYPE_CHECKING:
    from edge.sockets.gateway import Gateway


class Phase(Enum):
    """How far a connection has come."""

    HTTP = "http"  # the request head is being read
    HELLO = "hello"  # a WebSocket, nobody knows whose
    VERIFYING = "verifying"  # the hello waits for its turn
    OPEN = "open"
    CLOSING = "closing"  # the close frame is sent, the device's is awaited
    CLOSED = "closed"


class Flood(Exception):
    """A device sends more frames than it may."""


class Connection(asyncio.Protocol):
    """One accepted socket."""

    __slots__ = ("_buffer", "_drained", "_gateway", "_messages", "_paused", "_transport", "_waiting", "ends", "full",
                 "phase", "reading", "seen", "session", "slot")  # fmt: skip

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._messages: frames.Messages | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused = False
        self._waiting = 0  # frames written since the transport was last seen to hold nothing
        self.phase = Phase.HTTP
        self.session: Session | None = None
        self.reading = False  # whether a task reads the inbox for the session
        self.seen = 0  # tick at which the device was last heard
        self.slot = -1  # in the ring of pings
        self.full = 0.0  # when its bucket of frames will be full, s
        self.ends = 0  # tick at which the device must connect again

    # -- the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted."""
        self._transport = cast(asyncio.Transport, transport)
        self._gateway.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""
        self.phase = Phase.CLOSED
        self._transport = None
        self._buffer = b""
        self._release()
        self._gateway.left(self)

    def pause_writing(self) -> None:
        """The device does not read."""
        self._paused = True
        self._gateway.slow(self)

    def resume_writing(self) -> None:
        """It reads again: what was kept from it is in its inbox."""
        self._paused = False
        if self._transport is not None and self._waiting > MOST_FRAMES:
            self._transport.set_write_buffer_limits()
        self._release()
        self._gateway.behind(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the request head, then of frames."""
        self._buffer = self._buffer + data if self._buffer else data
        if self.phase is Phase.HTTP and not self._upgrade():
            return
        try:
            self._take_frames()
        except frames.BadFrame as error:
            self._buffer = b""
            self.shut(messages.PROTOCOL_ERRORS[error.code], str(error))
        except Flood:
            self._stop_reading()
            self.shut(messages.TOO_MANY_FRAMES, "more frames than the limits say")

    # -- what the gateway does with it

    @property
    def paused(self) -> bool:
        """Whether the device does not keep up with what was written."""
        return self._paused

    async def drained(self) -> None:
        """Wait until the device has read, or is gone."""
        while self._paused and self._transport is not None:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def write(self, data: bytes, count: int = 1) -> None:
        """Send frames, so many of them, unless the connection is closed or closing."""
        transport = self._transport
        if transport is None or self.phase is Phase.CLOSING or not data:
            return
        self._waiting = self._waiting + count if transport.get_write_buffer_size() else count
        transport.write(data)
        if self._waiting > MOST_FRAMES and not self._paused:
            self._hold(transport)

    def _hold(self, transport: asyncio.Transport) -> None:
        """Too many frames, if few bytes: have the transport say stop now, and go on once it holds nothing."""
        if transport.get_write_buffer_size():
            transport.set_write_buffer_limits(high=0)

    def resync(self) -> None:
        """The session was turned to SYNC."""
        self._gateway.behind(self)

    def opened(self, session: Session) -> None:
        """The hello was good: frames are read again."""
        self.session = session
        self.phase = Phase.OPEN
        if self._transport is not None:
            self._transport.resume_reading()
            asyncio.get_running_loop().call_soon(self.data_received, b"")

    def shut(self, why: messages.Closing, detail: str) -> None:
        """Tell the device why, and close once it has answered; the gateway sees to those that do not."""
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return
        if self.phase is Phase.HTTP:
            self.abort()
            return
        self.write(messages.farewell(why, detail))
        if self.phase is Phase.VERIFYING and self._transport is not None:
            self._transport.resume_reading()
        self.phase = Phase.CLOSING
        self._release()
        self._gateway.closing(self)

    def abort(self) -> None:
        """Drop at once: closing would wait for a device that does not read."""
        if self._transport is not None:
            self._transport.abort()

    # -- frames

    def _take_frames(self) -> None:
        at = 0
        while self.phase not in (Phase.VERIFYING, Phase.CLOSED):
            frame = frames.take(self._buffer, at)
            if frame is None:
                break
            at = frame.end
            self._frame(frame)
        self._buffer = self._buffer[at:]

    def _frame(self, frame: frames.Frame) -> None:
        if frame.opcode == frames.CLOSE:
            self._answer_close(frame.payload)
        elif self.phase is Phase.CLOSING:
            return
        elif not self._gateway.admits(self):
            raise Flood
        elif frame.opcode == frames.PING:
            if not self._paused:  # who does not read gets no more to read
                self.write(frames.pong(frame.payload))
        elif frame.opcode != frames.PONG:
            self._data(frame)
        self.seen = self._gateway.tick

    def _stop_reading(self) -> None:
        """What a flood still has on its way costs nothing more: the kernel has it until the gateway aborts."""
        self._buffer = b""
        if self._transport is not None:
            self._transport.pause_reading()

    def _data(self, frame: frames.Frame) -> None:
        if not frame.final or self._messages is not None or frame.opcode != frames.TEXT:
            self._messages = self._messages or frames.Messages()
            text = self._messages.add(frame)
        else:
            text = frame.payload
        if text is None:
            return
        frames.check_text(text)
        if self.phase is Phase.OPEN:
            self._gateway.message(self, text)
        elif self._transport is not None:
            self.phase = Phase.VERIFYING
            self._transport.pause_reading()
            self._gateway.hello(self, text)

    def _answer_close(self, payload: bytes) -> None:
        if self._transport is None:
            return
        if self.phase is not Phase.CLOSING:
            self._transport.write(frames.close(frames.close_code(payload)))
            self.phase = Phase.CLOSING
            self._gateway.closing(self)
        self._transport.close()

    def _upgrade(self) -> bool:
        """Whether the rest of the buffer are frames."""
        parts = handshake.split_head(self._buffer)
        if parts is None:
            if len(self._buffer) > handshake.MAX_HEAD:
                self.abort()
            return False
        try:
            response = handshake.answer(parts[0])
        except handshake.BadHandshake as error:
            response = error.response
            self._refuse(response)
            return False
        if response is None:
            self._hand_over()
            return False
        self.phase = Phase.HELLO
        self.write(response)
        self._buffer = parts[1]
        return True

    def _refuse(self, response: bytes) -> None:
        if self._transport is not None:
            self._transport.write(response)
            self._transport.close()

    def _hand_over(self) -> None:
        transport, data = self._transport, self._buffer
        if transport is None:
            return
        self._transport, self._buffer, self.phase = None, b"", Phase.CLOSED
        successor = self._gateway.handed_over(self)
        transport.set_protocol(successor)
        successor.connection_made(transport)
        successor.data_received(data)

    def _release(self) -> None:
        waiter, self._drained = self._drained, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def give_way(session: Session) -> None:
    """End what holds a session that was replaced, a socket or a long poll."""
    if isinstance(session.link, Connection):
        session.link.shut(messages.REPLACED, "the device has opened another connection")
    else:
        session.link.resync()
