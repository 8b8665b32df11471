"""GET /v1/socket on a connection that has served requests: it is taken back from HTTP, for proxies keep connections."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from edge.problems import Problem
from edge.sockets import handshake
from edge.sockets.connection import Connection
from edge.sockets.handshake import BadHandshake

PATH = "/v1/socket"


class Upgrades:
    """Makes connections of devices of those that HTTP has; `accept` makes the protocol of one."""

    def __init__(self, accept: Callable[[], Connection]) -> None:
        self._accept = accept

    def routes(self) -> list[web.RouteDef]:
        """For the application of the edge."""
        return [web.get(PATH, self.upgrade)]

    async def upgrade(self, request: web.Request) -> web.Response:
        """Have the connection read the request again, from its first byte, as if it were new. Raises Problem.

        The response is for nobody: HTTP has no connection any more.
        """
        head, transport = _head(request), request.transport
        with suppress(BadHandshake):  # which the connection answers
            if handshake.answer(head) is None:
                detail = "connect with the sub-protocol lockstep.v1"
                raise Problem(426, "upgrade-required", "This is a WebSocket", detail)
        rest = _let_go(request.protocol)
        if transport is not None:
            connection = self._accept()
            transport.set_protocol(connection)
            connection.connection_made(transport)
            transport.resume_reading()  # HTTP may have paused it
            connection.data_received(head + b"\r\n\r\n" + rest)
        return web.Response()


def _head(request: web.Request) -> bytes:
    lines = [f"{request.method} {request.raw_path} HTTP/1.1".encode()]
    return b"\r\n".join([*lines, *(b"%b: %b" % header for header in request.raw_headers)])


class _Rest:
    """Takes what came behind a request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """More of it."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """That was all."""


def _let_go(protocol: Any) -> bytes:
    """Part HTTP from its connection as if that were lost; gives what came behind the request."""
    rest = _Rest()
    protocol.set_parser(rest)
    protocol.transport = None  # or it would be closed
    protocol.connection_lost(None)
    return rest.data
