"""Heads that a real Redis tracks: known until they change, and not known for longer than the connection lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.access import EDGE, redis_user
from deploy.local.servers import Running, local_servers
from sinks.heads import Heads
from sinks.redis import Redis, RedisUnavailable, command, connect
from sinks.tracked import TrackedHeads, track
from streams import settings
from streams.client_metrics import ClientMetrics
from streams.settings import Settings
from tests.integration.sinks.poll import until
from tests.unit.fakes import shipped_topology

LANES = 4
REST = (-1,) * (LANES - 1)


@pytest.fixture(scope="module")
def own() -> Iterator[Running]:
    """A Redis that these tests may stop."""
    with local_servers(names=["redis"]) as running:
        yield running


@pytest.fixture
async def memory(own: Running) -> AsyncIterator[Redis]:
    """Another connection, of those who raise heads."""
    async with connect(_settings(own)) as opened:
        yield opened


def _settings(running: Running, **changes: Any) -> Settings:
    host, port = running.endpoints.redis
    return Settings(redis=settings.Redis(host=host, port=port, timeout=1.0, **changes))


@asynccontextmanager
async def _tracking(running: Running, **changes: Any) -> AsyncIterator[TrackedHeads]:
    async with track(_settings(running, **changes), ClientMetrics("redis"), LANES, 0.0) as heads:
        yield heads


async def _known(heads: TrackedHeads, memory: Redis, account: str) -> TrackedHeads:
    """Have the head of an account be 5, and known."""
    await Heads(memory, LANES).advance({(account, 0): 5})
    assert await heads.ask(account) == (5, *REST)
    assert heads.known(account) == (5, *REST)
    return heads


async def _is_back(heads: TrackedHeads, account: str) -> bool:
    """Whether what was asked is known again."""
    try:
        return await heads.ask(account) == heads.known(account)
    except RedisUnavailable:
        return False


async def test_a_head_that_rises_is_asked_for_again(own: Running, memory: Redis, account: str) -> None:
    """In whichever lane, and the first one too; other accounts stay known."""
    async with _tracking(own) as heads:
        await _known(heads, memory, account + "-2")
        assert await heads.ask(account) == heads.known(account) == (-1, *REST)
        writer = Heads(memory, LANES)
        for lane in range(LANES):
            await writer.advance({(account, lane): 7})
            await until(lambda: heads.known(account) is None)
            assert (await heads.ask(account))[: lane + 1] == (7,) * (lane + 1)
            assert heads.known(account) is not None
        assert heads.known(account + "-2") == (5, *REST)


async def test_what_is_known_is_never_older_than_what_redis_said_last(
    own: Running, memory: Redis, account: str
) -> None:
    """However questions, answers and raises cross each other."""
    writer, kept = Heads(memory, LANES), 0
    async with _tracking(own) as heads:
        for number in range(500):
            asked = [heads.ask(account) for _ in range(number % 3)]
            for _ in range(number % 5):
                await asyncio.sleep(0)
            await writer.advance({(account, 0): number})
            await heads._redis.call(command(b"PING"))  # all that Redis had to say before is here
            known = heads.known(account)
            assert known in (None, (number, *REST))
            kept += known is not None
            await asyncio.gather(*asked)
    assert 0 < kept < 500


@pytest.mark.parametrize("what", [(b"FLUSHALL",), (b"FLUSHDB",), (b"DEL", b"h:{%b}"), (b"PEXPIRE", b"h:{%b}", b"50")])
async def test_a_head_that_is_gone_is_asked_for_again(
    own: Running, memory: Redis, account: str, what: tuple[bytes, ...]
) -> None:
    """Erased, at its end, or with all others."""
    async with _tracking(own) as heads:
        await _known(heads, memory, account)
        await memory.call(command(*(part.replace(b"%b", account.encode()) for part in what)))

        async def is_gone() -> bool:
            return heads.known(account) is None and await heads.ask(account) == (-1, *REST)

        await until(is_gone)
        assert heads.known(account) == (-1, *REST)


async def test_nothing_is_known_of_a_connection_that_was_cut(own: Running, memory: Redis, account: str) -> None:
    """Changes would not have been told; on the next one all is as before."""
    async with _tracking(own) as heads:
        await _known(heads, memory, account)
        await memory.call(command(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"))
        await until(lambda: heads.known(account) is None)
        await until(lambda: _is_back(heads, account))
        assert heads.known(account) == (5, *REST)


async def test_nothing_is_known_of_a_redis_that_is_silent(own: Running, memory: Redis, account: str) -> None:
    """Nobody asks it anything meanwhile, and its connections stay open."""
    async with _tracking(own) as heads:
        await _known(heads, memory, account)
        own.pause("redis")
        try:
            await until(lambda: heads.known(account) is None)
            with pytest.raises(RedisUnavailable):
                await heads.ask(account)
        finally:
            own.resume("redis")
        await until(lambda: _is_back(heads, account))
        assert heads.known(account) == (5, *REST)


async def test_nothing_is_known_of_a_redis_that_has_become_a_replica(own: Running, memory: Redis, account: str) -> None:
    """Heads rise elsewhere from now on. It is used again as a master."""
    async with _tracking(own) as heads:
        await _known(heads, memory, account)
        try:
            await memory.call(command(b"REPLICAOF", b"127.0.0.1", b"1"))
            await until(lambda: heads.known(account) is None)
            await until(lambda: heads._redis._connection is None)
        finally:
            await memory.call(command(b"REPLICAOF", b"NO", b"ONE"))
        await until(lambda: _is_back(heads, account))


async def test_nothing_is_known_of_another_life(own: Running, account: str) -> None:
    """Redis restarts, and has lost what it had."""
    async with _tracking(own) as heads:
        async with connect(_settings(own)) as memory:
            await _known(heads, memory, account)
        own.kill("redis")
        await until(lambda: heads.known(account) is None)
        await asyncio.to_thread(own.restart, "redis")
        await until(lambda: _is_back(heads, account))
        assert heads.known(account) == (-1, *REST)


async def test_the_rights_of_the_edge_are_enough(own: Running, memory: Redis, account: str) -> None:
    """Those of docs/access.md."""
    line = redis_user(shipped_topology(), EDGE, "secret").split()[1:]
    assert await memory.call(command(b"ACL", b"SETUSER", *(part.encode() for part in line))) == [b"OK"]
    async with _tracking(own, username=EDGE, password="secret") as heads:
        await _known(heads, memory, account)


async def test_where_tracking_is_refused_redis_is_asked_each_time(
    own: Running, memory: Redis, account: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With one warning, however often the connection is made."""
    acl = (b"simple", b"on", b">secret", b"~*", b"+@all", b"-client|tracking")
    assert await memory.call(command(b"ACL", b"SETUSER", *acl)) == [b"OK"]
    with caplog.at_level(logging.WARNING):
        async with _tracking(own, username="simple", password="secret") as heads:
            for number in (5, 6):
                await Heads(memory, LANES).advance({(account, 0): number})
                assert await heads.ask(account) == (number, *REST)
                assert heads.known(account) is None
            await memory.call(command(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"))
            await until(lambda: heads._redis.connects == 2)
            assert await heads.ask(account) == (6, *REST)
    assert len([record for record in caplog.records if "asked each time" in record.message]) == 1
