"""The connection to Redis: many calls at once, and a server that stops, hangs, restarts or asks for a password."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.servers import Running, local_servers
from sinks import gateways as module
from sinks.gateways import Gateways, Lease, connect_gateways
from sinks.heads import Heads
from sinks.redis import Redis, RedisUnavailable, ReplyError, command, connect, usable
from streams import settings
from streams.settings import Settings
from tests.integration.sinks.poll import until

PING = command(b"PING")


@pytest.fixture(scope="module")
def own() -> Iterator[Running]:
    """A Redis that these tests may stop."""
    with local_servers(names=["redis"]) as running:
        yield running


def _settings(running: Running, **changes: Any) -> Settings:
    host, port = running.endpoints.redis
    return Settings(redis=settings.Redis(host=host, port=port, timeout=1.0, **changes))


async def _answers(redis: Redis) -> bool:
    try:
        return await redis.call(PING) == [b"PONG"]
    except RedisUnavailable:
        return False


async def test_calls_at_the_same_time_get_their_own_replies(memory: Redis) -> None:
    """In whatever number and size."""
    sizes = [1, 3, 200, 1, 0, 7, 1000]
    replies = await asyncio.gather(
        *(
            memory.call(*(command(b"ECHO", b"%d-%d" % (call, n)) for n in range(size)))
            for call, size in enumerate(sizes)
        )
    )
    assert replies == [[b"%d-%d" % (call, n) for n in range(size)] for call, size in enumerate(sizes)]
    big = b"x" * 5_000_000
    assert await memory.call(command(b"ECHO", big), PING) == [big, b"PONG"]


async def test_a_call_that_is_cancelled_disturbs_no_other(memory: Redis) -> None:
    """Its replies are taken from the wire all the same."""
    call = asyncio.create_task(memory.call(command(b"ECHO", b"lost")))
    await asyncio.sleep(0)
    call.cancel()
    assert await memory.call(command(b"ECHO", b"kept")) == [b"kept"]


async def test_errors_are_values(memory: Redis) -> None:
    """One bad command spoils no other."""
    bad, good = await memory.call(command(b"NONSENSE"), PING)
    assert isinstance(bad, ReplyError)
    assert good == b"PONG"
    with pytest.raises(RedisUnavailable, match="unknown command"):
        usable(bad)


async def test_a_restart_is_a_new_life(own: Running) -> None:
    """Calls fail at once while it is away; then heads are unknown and the lease is taken again."""
    async with connect(_settings(own)) as redis, Lease(redis, "host:1", 0.6) as lease:
        heads, before = Heads(redis, 4), redis.run_id
        await heads.advance({("anna", 0): 5})
        own.kill("redis")
        await until(lambda: not redis._ready.is_set())
        with pytest.raises(RedisUnavailable, match="no connection"):
            await redis.call(PING)
        with pytest.raises(RedisUnavailable):
            await asyncio.gather(heads.read("anna"), heads.read("ben"))
        await asyncio.to_thread(own.restart, "redis")
        await redis.connected(10)
        assert redis.run_id not in (b"", before)
        assert await heads.read("anna") == (-1,) * 4
        assert [s.prev for s in await heads.advance({("anna", 0): 7})] == [-1]
        await until(lambda: lease.lapsed == 1)
        view = Gateways(redis)
        await view.refresh()
        assert view.address(lease.number) == (lease.incarnation, "host:1")
        assert redis.connects == 2
        assert redis.watch.failures > 0


async def test_the_view_of_the_gateways_stands_while_redis_is_away(
    own: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is offline because Redis is; a lease that was held goes on once it is back."""
    monkeypatch.setattr(module, "_REFRESH_S", 0.05)
    async with (
        connect(_settings(own)) as redis,
        Lease(redis, "host:1", 0.6) as lease,
        connect_gateways(_settings(own)) as view,
    ):
        own.kill("redis")
        await until(lambda: "stays as it was" in caplog.text and "cannot be renewed" in caplog.text)
        assert view.address(lease.number) == (lease.incarnation, "host:1")
        await asyncio.to_thread(own.restart, "redis")
        await until(lambda: lease.lapsed == 1)
        await until(lambda: view.address(lease.number) == (lease.incarnation, "host:1"))


async def test_a_server_that_speaks_another_protocol_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """It is no Redis; the reason is logged."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RedisUnavailable, match="connection was lost"):
            async with connect(Settings(redis=settings.Redis(port=port, timeout=0.3))):
                pass
    assert "not RESP" in caplog.text


async def test_a_server_that_hangs_is_given_up(own: Running) -> None:
    """No answer in time drops the connection with all that is in flight; it comes back by itself."""
    async with connect(_settings(own)) as redis:
        own.pause("redis")
        try:
            results = await asyncio.gather(redis.call(PING), redis.call(PING, PING), return_exceptions=True)
        finally:
            own.resume("redis")
        assert all(isinstance(result, RedisUnavailable) for result in results)
        await until(lambda: _answers(redis))


async def test_a_server_that_is_not_there_is_named() -> None:
    """With the reason, after the timeout."""
    nowhere = Settings(redis=settings.Redis(port=1, timeout=0.2))
    with pytest.raises(RedisUnavailable, match=r"127\.0\.0\.1:1 .*Connect call failed"):
        async with connect(nowhere):
            pass


async def test_a_server_that_is_full_of_clients_is_tried_again(own: Running) -> None:
    """Once a client leaves there is room."""
    async with connect(_settings(own)) as first:
        assert await first.call(command(b"CONFIG", b"SET", b"maxclients", b"1")) == [b"OK"]
        try:
            with pytest.raises(RedisUnavailable):
                async with connect(_settings(own)):
                    pass
        finally:
            assert await first.call(command(b"CONFIG", b"SET", b"maxclients", b"100")) == [b"OK"]
        async with connect(_settings(own)) as second:
            assert await _answers(second)


async def test_a_password_is_sent(own: Running) -> None:
    """With a user where there is one; without it the reason is told."""
    acl = [b">secret", b"on", b"~*", b"+@all"]
    async with connect(_settings(own)) as redis:
        assert await redis.call(command(b"ACL", b"SETUSER", b"worker", *acl)) == [b"OK"]
        assert await redis.call(command(b"CONFIG", b"SET", b"requirepass", b"other")) == [b"OK"]
        try:
            async with connect(_settings(own, username="worker", password="secret")) as named:
                assert await named.call(command(b"ACL", b"WHOAMI")) == [b"worker"]
            async with connect(_settings(own, password="other")) as default:
                assert await default.call(command(b"ACL", b"WHOAMI")) == [b"default"]
            with pytest.raises(RedisUnavailable, match="Authentication required"):
                async with connect(_settings(own)):
                    pass
        finally:
            await redis.call(command(b"CONFIG", b"SET", b"requirepass", b""))


async def test_databases_are_apart(own: Running) -> None:
    """What one installation writes another one on the same server does not see."""
    async with connect(_settings(own, database=3)) as third, connect(_settings(own)) as default:
        assert await third.call(command(b"SET", b"apart", b"1")) == [b"OK"]
        assert await default.call(command(b"GET", b"apart")) == [None]


async def test_a_full_server_is_no_odd_account(own: Running) -> None:
    """An error that is not of one key stops the call: nothing would be raised."""
    async with connect(_settings(own)) as redis:
        await redis.call(command(b"CONFIG", b"SET", b"maxmemory", b"1"))
        try:
            with pytest.raises(RedisUnavailable, match="OOM"):
                await Heads(redis, 4).advance({("anna", 0): 50})
        finally:
            await redis.call(command(b"CONFIG", b"SET", b"maxmemory", b"0"))
