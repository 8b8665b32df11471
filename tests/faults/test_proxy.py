"""The proxy does what it says: a test of faults is worth no more than its faults."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.proxy import Proxy


class Echo(socketserver.BaseRequestHandler):
    """Answers each message in capitals, and notes it."""

    heard: list[bytes]

    def handle(self) -> None:
        """A connection."""
        with suppress(ConnectionResetError):
            while data := self.request.recv(100):
                self.heard.append(data)
                self.request.sendall(data.upper())


@pytest.fixture
def heard() -> list[bytes]:
    """What the server heard."""
    return []


@pytest.fixture
def proxy(heard: list[bytes]) -> Iterator[Proxy]:
    """Before an echoing server."""
    handler = type("Handler", (Echo,), {"heard": heard})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Proxy(("127.0.0.1", server.server_address[1])) as made:
            yield made
        server.shutdown()


def _connect(proxy: Proxy, timeout: float = 10) -> socket.socket:
    return socket.create_connection(proxy.address, timeout=timeout)


def test_held_bytes_come_later_and_none_is_lost(proxy: Proxy) -> None:
    """Silence, then everything."""
    with _connect(proxy, 0.3) as connection:
        proxy.hold()
        connection.sendall(b"late")
        with pytest.raises(TimeoutError):
            connection.recv(100)
        proxy.heal()
        connection.settimeout(10)
        assert connection.recv(100) == b"LATE"


def test_answers_are_lost_and_questions_are_not(proxy: Proxy, heard: list[bytes]) -> None:
    """The connection is no use afterwards, and is broken off; a new one is well."""
    with _connect(proxy, 0.3) as connection:
        proxy.lose_answers()
        connection.sendall(b"lost")
        with pytest.raises(TimeoutError):
            connection.recv(100)
        assert heard == [b"lost"]
        proxy.heal()
        connection.settimeout(10)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with _connect(proxy) as connection:
        connection.sendall(b"found")
        assert connection.recv(100) == b"FOUND"


def test_connections_break_and_lead_elsewhere(proxy: Proxy) -> None:
    """Where nobody listens, a new one breaks at once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nowhere = free.getsockname()
    with _connect(proxy) as connection:
        proxy.lead_to(nowhere)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with pytest.raises(ConnectionResetError), _connect(proxy) as connection:  # it may break while it is made
        connection.recv(100)
