"""A connection to Redis, fed by hand."""

from __future__ import annotations

import asyncio

import pytest

from sinks.redis import RedisUnavailable, _Connection, _scripts, bulk, command, connect
from streams import settings
from streams.settings import Settings


class FakeTransport(asyncio.Transport):
    """Remembers what was written, and whether it was dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Remember it."""
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        """As told."""
        return self.aborted

    def abort(self) -> None:
        """Drop."""
        self.aborted = True


def _open() -> tuple[_Connection, FakeTransport]:
    connection, transport = _Connection(), FakeTransport()
    connection.connection_made(transport)
    return connection, transport


def test_a_command_is_an_array_of_bulk_strings() -> None:
    """Lengths are in bytes."""
    assert command(b"GET", "ä".encode()) == b"*2\r\n$3\r\nGET\r\n$2\r\n\xc3\xa4\r\n"
    assert bulk(b"") == b"$0\r\n\r\n"


async def test_replies_go_to_the_calls_in_order_however_they_are_cut() -> None:
    """Byte by byte."""
    connection, transport = _open()
    first, second = connection.send(b"a", 2), connection.send(b"b", 1)
    for byte in b"+one\r\n$3\r\ntwo\r\n:3\r\n":
        connection.data_received(bytes((byte,)))
    assert (await first, await second) == ([b"one", b"two"], [3])
    assert transport.written == [b"a", b"b"]


async def test_what_is_said_unasked_drops_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """Such as that there are too many clients."""
    connection, transport = _open()
    connection.data_received(b"-ERR max number of clients reached\r\n")
    assert transport.aborted
    assert "max number of clients" in caplog.text
    with pytest.raises(RedisUnavailable):
        connection.send(b"a", 1)


async def test_a_lost_connection_fails_what_is_in_flight() -> None:
    """And nothing else can be sent on it."""
    connection, _ = _open()
    call, given_up = connection.send(b"a", 1), connection.send(b"b", 1)
    given_up.cancel()
    connection.connection_lost(ConnectionResetError("reset"))
    with pytest.raises(RedisUnavailable, match="reset"):
        await call
    assert connection.lost.done()
    with pytest.raises(RedisUnavailable, match="not connected"):
        connection.send(b"c", 1)


async def test_a_server_that_names_no_life_of_its_own_is_not_used() -> None:
    """Heads of another life could not be told from those of this one, as with some proxies."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(bulk(b"# Server\r\nredis_version:7.2.4\r\n") + b"+OK\r\n" * len(_scripts))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RedisUnavailable, match="run_id"):
            async with connect(Settings(redis=settings.Redis(port=port, timeout=0.5))):
                pass
