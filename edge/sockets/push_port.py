"""The internal port: POST /push from the workers, in one turn of the loop a batch; anything else there is aiohttp's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import msgspec
from aiohttp import web

from edge.protocol import Sessions
from sinks import wire
from sinks.presence import Lease
from streams.failpoints import reach

#: Longest body, bytes.
MAX_BODY: Final = 16 * 1024 * 1024
_MAX_HEAD: Final = 16 * 1024
_REASONS: Final = {200: b"OK", 400: b"Bad Request", 421: b"Misdirected Request"}


class Answer(NamedTuple):
    """Status and body of a response."""

    status: int
    body: bytes


class PushPort:
    """What the port answers; `http` makes the protocol for all other requests."""

    def __init__(self, sessions: Sessions, lease: Lease, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._lease = lease
        self._clock = clock

    def answer(self, body: bytes) -> Answer:
        """Deliver a batch. 421 says nothing about the devices: it was meant for another gateway, or a former one."""
        try:
            delivery = wire.decode_delivery(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Answer(400, b"")
        if (delivery.gateway, delivery.incarnation) != (self._lease.number, self._lease.incarnation):
            return Answer(wire.MISDIRECTED, b"")
        try:
            statuses = self._sessions.push(delivery.notes, int(self._clock() * 1000))
        except OverflowError:  # a position that is none
            return Answer(400, b"")
        reach("gateway.taken")
        return Answer(200, wire.encode_statuses(statuses))

    def application(self) -> web.Application:
        """The same for requests that `PushProtocol` does not read, such as chunked ones."""

        async def push(request: web.Request) -> web.Response:
            answer = self.answer(await request.read())
            return web.Response(status=answer.status, body=answer.body, content_type=wire.CONTENT_TYPE)

        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_post(wire.PATH, push)
        return application


class PushProtocol(asyncio.Protocol):
    """A connection of a worker."""

    __slots__ = ("_body", "_buffer", "_end", "_http", "_port", "_transport")

    def __init__(self, port: PushPort, http: Callable[[], asyncio.Protocol]) -> None:
        self._port = port
        self._http = http
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._body = self._end = 0  # where the body of the request in hand begins and ends

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Requests, one after the other."""
        self._buffer += data
        while self._buffer and self._transport is not None:
            if not self._end and not self._head(self._transport):
                return
            if len(self._buffer) < self._end:
                return
            answer = self._port.answer(bytes(self._buffer[self._body : self._end]))
            del self._buffer[: self._end]
            self._end = 0
            self._transport.write(
                b"HTTP/1.1 %d %b\r\nContent-Type: application/msgpack\r\nContent-Length: %d\r\n\r\n%b"
                % (answer.status, _REASONS[answer.status], len(answer.body), answer.body)
            )

    def _head(self, transport: asyncio.Transport) -> bool:
        """Whether the head of a push is there."""
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self._buffer) > _MAX_HEAD:
                transport.abort()
            return False
        size = push_size(bytes(self._buffer[:end]))
        if size is None:
            self._hand_over(transport)
            return False
        if size > MAX_BODY:
            transport.abort()
            return False
        self._body, self._end = end, end + size
        return True

    def _hand_over(self, transport: asyncio.Transport) -> None:
        self._transport = None
        successor = self._http()
        transport.set_protocol(successor)
        successor.connection_made(transport)
        successor.data_received(bytes(self._buffer))


def push_size(head: bytes) -> int | None:
    """Length of the body of a push, None for any other request."""
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0 or not head.startswith(b"POST /push ") or b"\r\nexpect:" in lower:
        return None
    digits = lower[at + 17 : lower.find(b"\r\n", at + 2)].strip()
    return int(digits) if digits.isdigit() else None
