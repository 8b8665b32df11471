"""The edge while its stores are away, after they came back, and at its own end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lockstep_client import Closed
from msgspec.structs import replace

from deploy.local.servers import Running as Servers
from edge.auth.tokens import BadKeys
from edge.server import running, serve
from sinks import redis
from sinks.seal import BadTokenKeys
from streams.providers import Registry
from streams.settings import Settings, Tokens
from streams.topology import Topology
from tests.integration.edge.conftest import House, Houses, Socket, seq_of, until


@pytest.fixture
async def tv(house: House) -> AsyncIterator[Socket]:
    """A television that is live."""
    async with house.hello("tv-1") as connected:
        await connected.recv()
        await connected.until_synced()
        yield connected


async def test_while_redis_is_away_devices_pull(servers: Servers, house: House, tv: Socket) -> None:
    """Redis is killed: the socket stays, pulls read the inbox, and a new hello is told to come back later."""
    servers.kill("redis")
    await until(lambda: redis_is_away(house), "Redis is away")
    await house.writer.write([house.row(1, 5)])
    async with house.client("tv-1") as other:
        assert [item["data"]["n"] for item in (await other.pull()).items] == [5]
    async with house.hello("tv-1") as late:
        code, frames = await late.closed()
        assert (code, frames[-1]["error"]) == (4503, "unavailable")
    assert (await tv.closed())[0] == 4409  # the late one had replaced it before it failed
    servers.revive()
    await until(lambda: redis_is_back(house), "Redis is back")


async def test_a_live_session_survives_a_restart_of_redis(servers: Servers, house: House, tv: Socket) -> None:
    """It is registered again under its old epoch, and reads what was stored meanwhile."""
    before = await house.presence()
    servers.kill("redis")
    await until(lambda: redis_is_away(house), "Redis is away")
    await house.writer.write([house.row(1, 5)])
    servers.revive()
    items, _ = await tv.until_synced()
    assert [item["data"]["n"] for item in items] == [5]
    await until(lambda: redis_is_back(house), "Redis is back")
    assert (await house.presence())["tv-1"][:8] == before["tv-1"][:8]
    (prev,) = await house.store(1, 6)
    await house.push(house.note(1, prev, 6, ("tv-1",)))
    assert [item["data"]["n"] for item in (await tv.until_synced())[0]] == [6]


async def test_a_lapsed_lease_syncs_the_sessions(house: House, tv: Socket) -> None:
    """While it was gone the workers took the devices for offline and pushed nothing."""
    await house.store(1, 5)
    await house.redis.call(redis.command(b"DEL", b"gw:{%d}" % house.edge.lease.number))
    await house.edge.lease.renew()
    items, _ = await tv.until_synced()
    assert [item["data"]["n"] for item in items] == [5]


async def test_a_push_that_was_lost_is_found_by_the_sweep(houses: Houses, monkeypatch: pytest.MonkeyPatch) -> None:
    """The push record is skipped on purpose, and no other push of the lane follows it."""
    monkeypatch.setattr("edge.sockets.sweep._GRACE_S", 0.1)
    house = await houses.open(sweep=0.2)
    await house.register("tv-1")
    async with house.hello("tv-1") as tv:
        await tv.until_synced()
        await house.store(1, 5)
        items: list[dict[str, Any]] = []
        while not items:
            items, _ = await tv.until_synced()
    assert [item["data"]["n"] for item in items] == [5]


async def test_lanes_without_events_get_a_head(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a session has read them to their end: so the first push is delivered, and polls can be answered 304."""
    monkeypatch.setattr("sinks.heads.SETTLED_S", 0.0)
    await house.writer.write([house.row(1, 5)])
    async with house.hello("tv-1") as tv:
        await tv.until_synced()
        assert await house.heads.read(house.account) == (0, seq_of(5), 0, 0)
        (prev,) = await house.store(2, 6)
        assert await house.push(house.note(2, prev, 6, ("tv-1",))) == [200]
        assert (await tv.recv())["item"]["data"]["n"] == 6


async def test_cassandra_away_holds_back_only_who_must_read(servers: Servers, house: House, tv: Socket) -> None:
    """Live pushes go on; a session with a hole waits, and gets what it missed when Cassandra is back."""
    await house.store(1, 5)
    await house.store(2, 6)
    servers.pause("cassandra")
    try:
        assert await house.push(house.note(0, 0, 1, ("tv-1",))) == [200]
        assert (await tv.recv())["item"]["data"]["n"] == 1
        assert await house.push(house.note(2, seq_of(4), 6, ("tv-1",))) == [503]
        async with house.hello("tv-1", token=house.token("tv-2")) as other:
            code, frames = await other.closed()
            assert (code, frames[-1]["error"]) == (4503, "unavailable")
    finally:
        servers.resume("cassandra")
    items, _ = await tv.until_synced()
    assert [item["data"]["n"] for item in items] == [5, 6]


async def test_the_end_of_an_edge_sends_devices_elsewhere(base_settings: Settings, topology: Topology) -> None:
    """`goaway`, then 1001; neither presence nor lease remain."""
    async with Houses(base_settings, topology) as houses:
        house = await houses.open()
        await house.register("tv-1")
        client = house.client("tv-1")
        async with client, client.connect() as connected:
            frames = aiter(connected)
            assert [(await anext(frames))["type"] for _ in range(2)] == ["welcome", "sync_end"]
            closing = asyncio.create_task(houses.close_edge(house))
            goaway = await anext(frames)
            assert (goaway["type"], goaway["reason"]) == ("goaway", "draining")
            with pytest.raises(Closed) as caught:
                await anext(frames)
            assert caught.value.code == 1001
            await closing
        assert await house.presence() == {}
        (lease,) = await house.redis.call(redis.command(b"GET", b"gw:{%d}" % house.edge.lease.number))
        assert lease is None


async def test_health_and_metrics(houses: Houses) -> None:
    """Ready once the stores answer; the numbers of the edge have its names."""
    house = await houses.open(health=True)
    base = f"http://127.0.0.1:{house.edge.health_port}"

    async def ready() -> bool:
        async with house.http.get(f"{base}/readyz") as response:
            return response.status == 200

    await until(ready, "the edge is ready")
    async with house.http.get(f"{base}/livez") as response:
        assert response.status == 200
    async with house.http.get(f"{base}/metrics") as response:
        text = await response.text()
    assert "lockstep_edge_sessions 0.0" in text
    assert "lockstep_edge_delivered_total 0.0" in text


async def test_what_keeps_an_edge_from_starting_is_said(
    base_settings: Settings, topology: Topology, house: House
) -> None:
    """A port that is taken, keys that are not there, or are none."""
    taken = replace(base_settings.edge, port=house.edge.port)
    with pytest.raises(OSError, match="Address already in use"):
        await serve(replace(base_settings, edge=taken), topology)
    with pytest.raises(BadKeys, match="nowhere"):
        async with running(replace(base_settings, tokens=Tokens(keys="/nowhere")), topology):
            raise AssertionError("it started")
    with pytest.raises(BadTokenKeys, match="LOCKSTEP_REGISTRY__TOKEN_KEYS: not a JWK Set"):
        await serve(replace(base_settings, registry=Registry(token_keys="secret")), topology)


async def redis_is_away(house: House) -> bool:
    """Whether calls fail."""
    try:
        await house.redis.call(redis.command(b"PING"))
    except redis.RedisUnavailable:
        return True
    return False


async def redis_is_back(house: House) -> bool:
    """Whether calls succeed."""
    return not await redis_is_away(house)
