"""A connection to Redis, fed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress

import pytest

from sinks.redis import Redis, RedisUnavailable, ReplyError, _scripts, bulk, command, connect
from sinks.resp import Connection
from streams import settings
from streams.settings import Settings
from tests.unit.transport.fake import until


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


def _open() -> tuple[Connection, FakeTransport]:
    connection, transport = Connection(), FakeTransport()
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


@pytest.mark.parametrize("cut", range(1, 38))
async def test_one_read_may_end_several_calls_and_begin_the_next(cut: int) -> None:
    """Also with zero, nothing and no, which are answers; a call that was given up has its own."""
    connection, _ = _open()
    calls = [connection.send(b"x", replies) for replies in (1, 3, 2, 1)]
    calls[1].cancel()
    data = b":0\r\n:1\r\n$-1\r\n#f\r\n*2\r\n:2\r\n:0\r\n$0\r\n\r\n:3\r\n"
    connection.data_received(data[:cut])
    connection.data_received(data[cut:])
    assert [await call for call in calls if not call.cancelled()] == [[0], [[2, 0], b""], [3]]


async def test_answers_before_what_is_no_resp_are_handed_out(caplog: pytest.LogCaptureFixture) -> None:
    """Then the connection is dropped."""
    connection, transport = _open()
    first, second = connection.send(b"a", 1), connection.send(b"b", 1)
    connection.data_received(b"+one\r\nHTTP/1.1 400 Bad Request\r\n")
    assert await first == [b"one"]
    assert transport.aborted
    assert not second.done()
    assert "not RESP" in caplog.text


async def test_what_is_said_between_two_answers_is_heard_and_is_none_of_them() -> None:
    """Beside an error, which is one."""
    heard: list[Sequence[bytes] | None] = []
    connection = Connection(heard.append)
    connection.connection_made(FakeTransport())
    call = connection.send(b"a", 3)
    said = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"
    connection.data_received(b"+one\r\n" + said + b"-ERR two\r\n" + said + b"+three\r\n" + said)
    one, two, three = await call
    assert (one, str(two), three) == (b"one", "ERR two", b"three")
    assert heard == [[b"k"]] * 3


async def test_errors_are_counted_as_they_are_read() -> None:
    """Whoever sees no more of them after a call than before need not look for one among its replies."""
    redis, (connection, _) = Redis(settings.Redis()), _open()
    assert redis.errors == -1  # no connection
    redis._use(connection)
    for says, errors in ((b"+one\r\n:2\r\n", 0), (b"+one\r\n-WRONGTYPE two\r\n", 1), (b"-ERR one\r\n-ERR two\r\n", 3)):
        call = connection.send(b"a", 2)
        connection.data_received(says)
        await call
        assert redis.errors == errors


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


WRITE = command(b"SET", b"key", b"value")
REPLICA = (
    b"READONLY You can't write against a read only replica.",
    b"READONLY You can't write against a read only replica. script: 1f0c, on @user_script:3.",
    b"ERR Error running script (call to f_1): @user_script:3: -READONLY You can't write against a read only replica.",
    b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
)


@pytest.mark.parametrize("said", REPLICA)
async def test_what_a_replica_says_drops_the_connection(said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Those that are answered have their answers."""
    connection, transport = _open()
    call, other = connection.send(b"a", 2), connection.send(b"b", 1)
    connection.data_received(b"-" + said + b"\r\n-" + said + b"\r\n")
    assert transport.aborted
    assert all(isinstance(reply, ReplyError) for reply in await call)
    assert len(caplog.records) == 1
    connection.connection_lost(None)
    with pytest.raises(RedisUnavailable):
        await other


@pytest.mark.parametrize("said", [b"LOADING Redis is loading the dataset in memory", b"OOM command not allowed"])
async def test_trouble_of_a_master_keeps_the_connection(said: bytes) -> None:
    """It passes there, and another connection would be told the same."""
    connection, transport = _open()
    connection.send(b"a", 1)
    connection.data_received(b"-" + said + b"\r\n")
    assert not transport.aborted


@asynccontextmanager
async def _serving(*infos: bytes) -> AsyncIterator[Settings]:
    """One address, behind it another server for each connection, the last for good: the others take no writes."""
    left = list(infos)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = left.pop(0) if len(left) > 1 else left[0]
        answer = b"+OK\r\n" if info == infos[-1] else b"-%b\r\n" % REPLICA[0]
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"INFO\r\n")
            writer.write(bulk(info) + b"+OK\r\n" * len(_scripts))
            while await reader.readuntil(WRITE):
                writer.write(answer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    async with server:
        yield Settings(redis=settings.Redis(port=server.sockets[0].getsockname()[1], timeout=0.5))


async def test_after_a_failover_the_new_master_is_found() -> None:
    """Behind a name: the old one is left when it refuses a write, and not used where the name still leads to it."""
    old, new = b"run_id:first-life\r\nrole:%b\r\n", b"run_id:second-life\r\nrole:master\r\n"
    async with _serving(old % b"master", old % b"slave", old % b"slave", new) as at, connect(at) as redis:
        assert redis.run_id == b"first-li"
        (refused,) = await redis.call(WRITE)
        assert isinstance(refused, ReplyError)
        await until(lambda: redis.connects == 2, "no other connection")
        assert redis.run_id == b"second-l"
        assert await redis.call(WRITE) == [b"OK"]


async def test_a_replica_is_not_used() -> None:
    """Writes would be refused."""
    async with _serving(b"run_id:first-life\r\nrole:slave\r\n") as at:
        with pytest.raises(RedisUnavailable, match="it is a replica"):
            async with connect(at):
                pass


async def test_a_server_that_names_no_life_of_its_own_is_not_used() -> None:
    """Heads of another life could not be told from those of this one, as with some proxies."""
    async with _serving(b"# Server\r\nredis_version:7.2.4\r\n") as at:
        with pytest.raises(RedisUnavailable, match="run_id"):
            async with connect(at):
                pass
