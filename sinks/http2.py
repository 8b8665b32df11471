"""Requests over HTTP/2: many at once on one connection, written together, each answered on a stream of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, cast

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

from sinks.http import BODY, Reply

Headers = list[tuple[str, str]]
#: Streams until the server has said how many it takes, and where it sets no limit.
_FIRST_STREAMS: Final = 1
_STREAMS: Final = 100
_CONFIG: Final = H2Configuration(
    client_side=True, header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
)
#: The states of h2, but that a goodbye of the server closes nothing: what it has taken is answered (RFC 9113, 6.8).
_TRANSITIONS: Final = {
    **H2ConnectionStateMachine._transitions,
    (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.CLIENT_OPEN),
}


class NotSent(ConnectionError):
    """The server has not taken the request, and will not: it may go to another connection."""


class _Exchange:
    """A request on its way, and what has come of its answer."""

    __slots__ = ("body", "done", "headers", "status")

    def __init__(self, done: asyncio.Future[Reply]) -> None:
        self.done = done
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.body = b""


class Connection(asyncio.Protocol):
    """One connection. After `lost`, or once the server has said goodbye, it takes no more requests."""

    def __init__(self) -> None:
        self.open = False
        self.most = _FIRST_STREAMS
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._h2 = H2Connection(_CONFIG)
        self._h2.state_machine._transitions = _TRANSITIONS
        self._transport: asyncio.Transport | None = None
        self._exchanges: dict[int, _Exchange] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._goodbye = False
        self._flushing = False
        self._heard = 0.0

    @property
    def streams(self) -> int:
        """Requests that wait for an answer, or to be sent."""
        return len(self._exchanges) + len(self._waiting)

    async def request(self, headers: Headers, body: bytes) -> Reply:
        """One request. Raises ConnectionError where there is no answer, NotSent where there cannot be one."""
        await self._room(len(body))
        stream = self._stream()
        exchange = self._exchanges[stream] = _Exchange(self._loop.create_future())
        sent = self._loop.time()
        try:
            self._h2.send_headers(stream, headers)
            self._h2.send_data(stream, body, end_stream=True)
            self._flush_soon()
            return await exchange.done
        except ProtocolError as error:
            raise ConnectionError(f"HTTP/2: {error}") from error
        except asyncio.CancelledError:
            self._give_up(stream, sent)
            raise
        finally:
            self._exchanges.pop(stream, None)
            self._wake()
            self._end_if_done()

    def _stream(self) -> int:
        try:
            return self._h2.get_next_available_stream_id()
        except ProtocolError as error:  # all two thousand million are used
            self.open = False
            raise NotSent(f"HTTP/2: {error}") from error

    async def _room(self, size: int) -> None:
        """Wait for a stream, and for the server to take so many bytes more."""
        while self.open and (len(self._exchanges) >= self.most or self._h2.outbound_flow_control_window < size):
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
                elif not waiter.cancelled():  # it was its turn: now it is that of the next
                    self._wake()
                raise
        if self._goodbye:
            raise NotSent("the server said goodbye")
        if not self.open:  # lost: where a server hangs, each would break another one in turn
            raise ConnectionError("the connection was closed")

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _give_up(self, stream: int, sent: float) -> None:
        """Nobody waits for the answer any more; where nothing at all came since, the connection is dead."""
        if self._heard < sent:
            self.abort()
        elif self.open:
            with suppress(StreamClosedError):  # the answer came in this turn of the loop
                self._h2.reset_stream(stream, ErrorCodes.CANCEL)
                self._flush_soon()

    def _end_if_done(self) -> None:
        """After a goodbye the last answer ends the connection."""
        if not self.open and not self._exchanges and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection with all that waits on it."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.open = True
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._transport = None
        self._fail(list(self._exchanges), f"the connection was lost: {exc or 'closed by the server'}")
        self._wake_all()
        self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
        except ProtocolError as error:
            self._fail(list(self._exchanges), f"HTTP/2: {error}")
            self.abort()
            return
        self._flush_soon()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                self._answer(event)
            case DataReceived():
                self._data(event)
            case StreamEnded():
                self._end(event)
            case StreamReset():
                self._fail([event.stream_id], f"the server reset the stream: {event.error_code}")
            case RemoteSettingsChanged():
                changed = event.changed_settings.get(SettingCodes.MAX_CONCURRENT_STREAMS)
                self.most = changed.new_value if changed else max(self.most, _STREAMS)
                self._wake_all()
            case WindowUpdated():
                self._wake_all()
            case ConnectionTerminated():
                self.open, self._goodbye = False, True
                last = event.last_stream_id or 0
                beyond = [stream for stream in self._exchanges if stream > last]
                self._fail(beyond, "the server said goodbye", NotSent)
                self._wake_all()
                self._end_if_done()

    def _answer(self, event: ResponseReceived) -> None:
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None:
            exchange.headers = dict(cast(Iterable[tuple[str, str]], event.headers))
            exchange.status = int(exchange.headers[":status"])

    def _data(self, event: DataReceived) -> None:
        self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None and len(exchange.body) < BODY:
            exchange.body += event.data or b""

    def _end(self, event: StreamEnded) -> None:
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None and not exchange.done.done():
            exchange.done.set_result(Reply(exchange.status, exchange.headers, exchange.body))

    def _fail(self, streams: Iterable[int | None], why: str, kind: type[ConnectionError] = ConnectionError) -> None:
        for stream in streams:
            exchange = self._exchanges.get(stream or 0)
            if exchange is not None and not exchange.done.done():
                exchange.done.set_exception(kind(why))

    def _wake_all(self) -> None:
        while self._waiting:
            self._wake()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is not None and (data := self._h2.data_to_send()):
            self._transport.write(data)


class Http2:
    """A few connections to one server, made when they are needed."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, connections: int) -> None:
        """`context` offers h2 by ALPN."""
        self.connects = 0
        self.host = host
        self._port = port
        self._context = context
        self._connections: list[Connection | None] = [None] * connections
        self._made: list[Connection] = []
        self._next = 0
        self._connecting = [asyncio.Lock() for _ in range(connections)]

    async def request(self, headers: Headers, body: bytes) -> Reply:
        """One request, on the connections in turn; once more where a connection ends before it is sent. OSError."""
        try:
            return await (await self._turn()).request(headers, body)
        except NotSent:
            return await (await self._turn()).request(headers, body)

    async def _turn(self) -> Connection:
        """The next connection that is open."""
        self._next = place = (self._next + 1) % len(self._connections)
        connection = self._connections[place]
        if connection is None or not connection.open:
            connection = await self._connect(place)
        return connection

    async def _connect(self, place: int) -> Connection:
        async with self._connecting[place]:
            connection = self._connections[place]
            if connection is None or not connection.open:
                loop = asyncio.get_running_loop()
                transport, connection = await loop.create_connection(
                    Connection, self.host, self._port, ssl=self._context
                )
                if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
                    connection.abort()
                    await connection.lost
                    raise ConnectionError(f"{self.host}:{self._port} does not speak HTTP/2")
                self.connects += 1
                self._connections[place] = connection
                self._made = [made for made in self._made if not made.lost.done()] + [connection]
        return connection

    async def close(self) -> None:
        """Drop all connections, and wait until they are gone."""
        for connection in self._made:
            connection.abort()
        await asyncio.gather(*(connection.lost for connection in self._made))
