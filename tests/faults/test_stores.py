"""Stores that die, hang, forget, answer late or not at all, under load: nothing is lost, nothing is visible twice."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import hiredis
import pytest
import pytest_asyncio

from deploy.local.config import Config
from deploy.local.ports import free_ports
from deploy.local.servers import start
from tests.e2e.conftest import Prepare
from tests.e2e.run import course
from tests.faults.conftest import Accept
from tests.faults.proxy import Address, Proxy
from tests.faults.scene import LANES, Scene, start_all, supervised, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
SETTINGS = {
    "LOCKSTEP_REDIS__TIMEOUT": "1",
    "LOCKSTEP_CASSANDRA__TIMEOUT": "1.5",
    "LOCKSTEP_EDGE__SWEEP": "10",
    "LOCKSTEP_EDGE__LEASE": "6",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(
    prepare: Prepare,
    local_config: Config,
    cassandra_address: Address,
    redis_address: Address,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Scene]:
    """Everything is up, and every way leads through a proxy."""
    servers = start(local_config)
    async with AsyncExitStack() as stack:
        redis, cassandra = (stack.enter_context(Proxy(at)) for at in (redis_address, cassandra_address))
        directory = tmp_path_factory.mktemp("stores")
        system = stack.enter_context(prepare(f"stores-{uuid.uuid4().hex[:8]}.", directory))
        environment = system.pipeline.environment
        gateway = stack.enter_context(Proxy(("127.0.0.1", int(environment["LOCKSTEP_EDGE__PORT"]))))
        system.url = "http://{}:{}".format(*gateway.address)
        environment.update(SETTINGS)
        environment["LOCKSTEP_REDIS__PORT"] = str(redis.address[1])
        environment["LOCKSTEP_CASSANDRA__PORT"] = str(cassandra.address[1])
        members = await asyncio.to_thread(start_all, system)
        load = await stack.enter_async_context(course(system))
        made = Scene(system, servers, redis, cassandra, gateway, load, members)
        yield await stack.enter_async_context(supervised(made))


@pytest_asyncio.fixture(loop_scope="module")
async def scene(whole: Scene) -> AsyncIterator[Scene]:
    """All is well before and after each test."""
    whole.failed.clear()
    try:
        yield whole
    finally:
        whole.redis.heal()
        whole.cassandra.heal()
        await asyncio.to_thread(whole.servers.revive)
        await whole.ready()


async def test_redis_is_killed_and_comes_back_another(scene: Scene, accept: Accept) -> None:
    """Rows go on being written, and pulls find them; nothing is acked; when it is back all lanes replay."""

    async def outage() -> None:
        scene.servers.kill("redis")
        await _nothing_is_acked(scene)
        await until(lambda: _a_pull_finds_news(scene))
        await asyncio.to_thread(scene.servers.revive)

    verdict = await scene.load(outage)
    accept(verdict, "redis is killed and comes back another", 1)
    assert set(scene.failed) == set(LANES)


async def test_redis_hangs(scene: Scene, accept: Accept) -> None:
    """Longer than its callers wait."""

    async def outage() -> None:
        scene.servers.pause("redis")
        await _nothing_is_acked(scene)
        scene.servers.resume("redis")

    verdict = await scene.load(outage)
    accept(verdict, "redis hangs", 1)


async def test_redis_is_flushed(scene: Scene, accept: Accept) -> None:
    """Heads, presence and leases are gone, and the life is the same."""

    async def outage() -> None:
        await asyncio.to_thread(_ask_redis, scene.servers.endpoints.redis, "FLUSHALL")

    verdict = await scene.load(outage)
    accept(verdict, "redis is flushed", 1)
    assert not scene.failed


async def test_the_way_to_redis_breaks_and_is_slow(scene: Scene, accept: Accept) -> None:
    """A short cut is nothing to end a process for."""

    async def weather() -> None:
        for _ in range(3):
            scene.redis.reset()
            await asyncio.sleep(0.2)
        scene.redis.delay(0.05)
        await asyncio.sleep(1)
        scene.redis.heal()

    verdict = await scene.load(weather)
    accept(verdict, "the way to redis breaks and is slow", 1)
    assert not scene.failed


async def test_answers_of_redis_are_lost(scene: Scene, accept: Accept) -> None:
    """Heads were raised and presence was written, and nobody knows."""

    async def weather() -> None:
        scene.redis.lose_answers()
        await asyncio.sleep(1.2)
        scene.redis.heal()

    verdict = await scene.load(weather)
    accept(verdict, "answers of redis are lost", 1)


async def test_cassandra_hangs_and_applies_writes_that_have_timed_out(scene: Scene, accept: Accept) -> None:
    """Nothing is acked, no process ends, and pushes of what was stored before go out."""

    async def outage() -> None:
        scene.servers.pause("cassandra")
        await _nothing_is_acked(scene)
        await until(lambda: _pushes_are_out(scene))
        scene.servers.resume("cassandra")

    verdict = await scene.load(outage)
    accept(verdict, "cassandra hangs and applies writes that have timed out", 1)
    assert not scene.failed


async def test_answers_of_cassandra_are_slow_and_then_lost_after_the_write(scene: Scene, accept: Accept) -> None:
    """The rows are there, and are written again."""

    async def weather() -> None:
        scene.cassandra.delay(0.05)
        await asyncio.sleep(1)
        scene.cassandra.lose_answers()
        await asyncio.sleep(2)
        scene.cassandra.heal()

    verdict = await scene.load(weather)
    accept(verdict, "answers of cassandra are slow and then lost after the write", 1)
    assert not scene.failed


async def test_cassandra_is_killed_and_comes_back(scene: Scene, accept: Accept) -> None:
    """Nothing is acked, and the processes wait for it."""

    async def outage() -> None:
        scene.servers.kill("cassandra")
        await _nothing_is_acked(scene)
        await until(lambda: _pushes_are_out(scene))
        await asyncio.to_thread(scene.servers.revive)

    verdict = await scene.load(outage)
    accept(verdict, "cassandra is killed and comes back", 1)
    assert not scene.failed


async def test_a_gateway_is_killed_and_another_takes_its_devices(scene: Scene, accept: Accept) -> None:
    """First it comes back, then it is gone for good."""
    port, push_port = free_ports(2)

    async def come_back() -> None:
        scene.of["edge"].kill()
        scene.of["edge"] = scene.system.pipeline.edge()
        await scene.ready()

    async def be_replaced() -> None:
        scene.of["edge"].kill()
        other = {"LOCKSTEP_EDGE__PORT": str(port), "LOCKSTEP_EDGE__PUSH_PORT": str(push_port)}
        scene.of["edge"] = scene.system.pipeline.edge(**other)
        scene.gateway.lead_to(("127.0.0.1", port))

    verdict = await scene.load(come_back, be_replaced)
    accept(verdict, "a gateway is killed and another takes its devices", 2)
    assert not scene.failed


async def _nothing_is_acked(scene: Scene) -> None:
    """Once what was under way is committed, `store` commits nothing more, though there is ever more to do."""
    topic = "notifications.{lane}"
    await asyncio.sleep(3)  # a commit was under way, and a lane may wait for the store's timeout
    before = await asyncio.to_thread(scene.committed, topic)
    await asyncio.sleep(1.5)
    assert await asyncio.to_thread(scene.committed, topic) == before
    assert await asyncio.to_thread(scene.left, topic) > 0


async def _pushes_are_out(scene: Scene) -> bool:
    return await asyncio.to_thread(scene.left, "push.socket.{lane}") == 0


async def _a_pull_finds_news(scene: Scene) -> bool:
    """A row that was written while Redis is away: its account's television has not shown it."""
    for phone, tv in zip(scene.course.fleet.phones, scene.course.fleet.televisions, strict=True):
        page = await phone.client.pull(200)
        phone.show(page.items)
        if any(not tv.shown.has(int(id_[1:])) for item in page.items for id_ in item["events"]):
            return True
    return False


def _ask_redis(address: Address, *words: str) -> None:
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(hiredis.pack_command(words))
        assert connection.recv(100) == b"+OK\r\n"
