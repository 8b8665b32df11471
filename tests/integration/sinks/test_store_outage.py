"""The stage store while one of its stores is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from msgspec.structs import replace

from deploy.local.config import Config
from deploy.local.servers import Running as Servers
from deploy.local.servers import local_servers, start
from sinks.cassandra import Cassandra
from sinks.heads import Heads
from sinks.inbox import InboxReader
from sinks.outage import RedisIsBack
from sinks.redis import Redis, reconnecting
from streams import settings
from streams.logtime import Progress
from streams.settings import Settings
from streams.stage import Life
from tests.integration.sinks.poll import until
from tests.integration.sinks.stores import LANE, Fresh, open_bench
from tests.unit.fakes import at


@pytest.fixture
def own(store_settings: Settings) -> Iterator[tuple[Settings, Servers]]:
    """A Redis that a test may stop."""
    with local_servers(names=["redis"]) as running:
        host, port = running.endpoints.redis
        yield replace(store_settings, redis=settings.Redis(host=host, port=port, timeout=0.5)), running


async def test_while_redis_is_away_rows_are_written_and_nothing_is_acked(
    own: tuple[Settings, Servers], disk: Cassandra, account: str, fresh: Fresh
) -> None:
    """Batch after batch; each partition stands where it stood. When Redis is back the process ends, and replays."""
    mine, running = own
    failures: asyncio.Queue[BaseException] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        bench = await open_bench(mine, stack, failures.put_nowait)
        life = Life()
        assert (await bench.run([fresh(1)], life=life)).watermark == at(1)
        running.kill("redis")
        for offset in (2, 3):
            made = await bench.run([fresh(offset)], taken=at(1), first=offset, life=life)
            assert (made.watermark, made.outcomes, made.pushes) == (Progress(2, at(1), -1), [], [])
        assert await bench.run([fresh(1)], taken=at(1), first=4, life=life) == ([], [], Progress(2, at(1), -1))
        rows = await (await InboxReader.open(disk)).read(account, LANE, 0, None, 10)
        assert [row.seq for row in rows] == [at(1), at(2), at(3)]
        assert failures.empty()
        await asyncio.to_thread(running.restart, "redis")
        assert isinstance(await asyncio.wait_for(failures.get(), 20), RedisIsBack)
        with pytest.raises(RedisIsBack):
            await bench.run([fresh(5)])
    async with AsyncExitStack() as stack:
        bench = await open_bench(mine, stack)
        made = await bench.run([fresh(2), fresh(3)], taken=at(1))
        assert ([o.seq for o in made.outcomes], made.watermark) == ([at(2), at(3)], at(3))


async def test_a_partition_that_was_read_anew_is_held_from_where_it_begins(
    own: tuple[Settings, Servers], fresh: Fresh
) -> None:
    """What was held in its former life is read again."""
    mine, running = own
    async with AsyncExitStack() as stack:
        bench = await open_bench(mine, stack)
        running.kill("redis")
        assert (await bench.run([fresh(7)], taken=at(6), first=7, life=Life())).watermark == Progress(7, at(6), -1)
        assert (await bench.run([fresh(5)], taken=at(4), first=5, life=Life())).watermark == Progress(5, at(4), -1)


async def test_a_short_cut_to_the_same_redis_is_waited_for(own: tuple[Settings, Servers], fresh: Fresh) -> None:
    """The life is the same, and its heads are there: the batch goes on."""
    mine, running = own
    async with AsyncExitStack() as stack:
        bench = await open_bench(mine, stack)
        await bench.run([fresh(1)])
        running.pause("redis")
        try:
            task = asyncio.create_task(bench.run([fresh(2)], taken=at(1)))
            await until(lambda: bench.store.retries > 0)
        finally:
            running.resume("redis")
        made = await task
        assert ([o.seq for o in made.outcomes], made.watermark) == ([at(2)], at(2))


async def test_another_life_of_redis_ends_the_process(own: tuple[Settings, Servers], fresh: Fresh) -> None:
    """However short it was away: no head of the new life may be raised before those since the commit."""
    mine, running = own
    async with AsyncExitStack() as stack:
        bench = await open_bench(mine, stack)
        await bench.run([fresh(1)])
        await asyncio.to_thread(running.restart, "redis")
        memory = await bench.stage.resources.get(reconnecting)
        await until(lambda: _is_up(memory))
        with pytest.raises(RedisIsBack):
            await bench.run([fresh(2)], taken=at(1))
        assert bench.output.sent == []


async def test_a_stage_opens_while_redis_is_away(own: tuple[Settings, Servers], fresh: Fresh) -> None:
    """It writes rows at once, and the first Redis that comes is its own."""
    mine, running = own
    running.kill("redis")
    failures: asyncio.Queue[BaseException] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        bench = await open_bench(mine, stack, failures.put_nowait)
        assert (await bench.run([fresh(1)])).watermark == Progress(0, -1, -1)
        assert bench.store.writer.rows == 1
    async with AsyncExitStack() as stack:
        bench = await open_bench(mine, stack)
        await asyncio.to_thread(running.restart, "redis")
        memory = await bench.stage.resources.get(reconnecting)
        await until(lambda: _is_up(memory))
        assert (await bench.run([fresh(1)])).watermark == at(1)


async def test_cassandra_is_waited_for_and_no_head_rises_meanwhile(
    store_settings: Settings, memory: Redis, account: str, fresh: Fresh, local_config: Config
) -> None:
    """A head speaks of rows that are there; nothing is acked, and afterwards the batch goes through."""
    own = replace(store_settings, cassandra=replace(store_settings.cassandra, timeout=0.5))
    running = start(local_config, ["cassandra"])
    async with AsyncExitStack() as stack:
        bench = await open_bench(own, stack)
        await bench.run([fresh(1)])
        running.pause("cassandra")
        try:
            task = asyncio.create_task(bench.run([fresh(2)]))
            await until(lambda: bench.store.retries > 1)
            heads = Heads(memory, 4)
            assert (await heads.read(account))[LANE] == at(1)
            assert (bench.output.sent, task.done()) == ([], False)
        finally:
            running.resume("cassandra")
        assert (await task).watermark == at(2)
        assert (await heads.read(account))[LANE] == at(2)


def _is_up(memory: Redis) -> bool:
    return memory._ready.is_set()
