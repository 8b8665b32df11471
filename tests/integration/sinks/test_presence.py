"""Presence and leases on a real Redis."""

from __future__ import annotations

import asyncio

import pytest

from sinks import gateways as module
from sinks.gateways import Gateways, Lease, connect_gateways
from sinks.presence import Presence, Registration
from sinks.redis import Redis, command
from streams.settings import Settings
from streams.targets import PRESENCE, PRESENCE_LIFE_MS
from tests.integration.sinks.poll import until


async def _entries(redis: Redis, account: str) -> dict[bytes, tuple[int, ...]]:
    (flat,) = await redis.call(command(b"HGETALL", b"p:{%b}" % account.encode()))
    return {field: PRESENCE.unpack(value) for field, value in zip(flat[::2], flat[1::2], strict=True)}


async def test_a_device_is_online_until_its_connection_ends(memory: Redis, account: str) -> None:
    """The entry names gateway, incarnation and type; its key expires."""
    presence = Presence(memory)
    epoch = await presence.register(account, "tv", 4_000_000_000, 65_000, 4)
    assert await _entries(memory, account) == {b"tv": (epoch, 4_000_000_000, 65_000, 4)}
    (seconds, nanos), life = await memory.call(command(b"TIME"), command(b"PTTL", b"p:{%b}" % account.encode()))
    assert abs(int(seconds) * 1000 + int(nanos) // 1000 - epoch) < 60_000
    assert 0 < life <= PRESENCE_LIFE_MS
    assert await presence.remove(account, "tv", epoch)
    assert not await presence.remove(account, "tv", epoch)
    assert await _entries(memory, account) == {}


async def test_a_late_removal_leaves_the_newer_connection(memory: Redis, account: str) -> None:
    """Every registration has a newer epoch, also within one millisecond."""
    presence = Presence(memory)
    epochs = await asyncio.gather(*(presence.register(account, "tv", gateway, 1, 1) for gateway in range(20)))
    assert sorted(set(epochs)) == list(epochs)
    assert await presence.remove_all([Registration(account, "tv", epoch) for epoch in epochs[:-1]]) == [False] * 19
    assert await _entries(memory, account) == {b"tv": (epochs[-1], 19, 1, 1)}


async def test_a_late_registration_leaves_the_newer_connection(memory: Redis, account: str) -> None:
    """A connection that registers again keeps its epoch, and so its place behind a later one."""
    presence = Presence(memory)
    old = await presence.register(account, "tv", 1, 1, 1)
    new = await presence.register(account, "tv", 2, 1, 1)
    assert await presence.register(account, "tv", 1, 1, 1, epoch=old) == 0
    assert await _entries(memory, account) == {b"tv": (new, 2, 1, 1)}
    await memory.call(command(b"DEL", b"p:{%b}" % account.encode()))
    assert await presence.register(account, "tv", 1, 1, 1, epoch=old) == old
    assert await presence.register(account, "tv", 2, 1, 1, epoch=new) == new
    assert await _entries(memory, account) == {b"tv": (new, 2, 1, 1)}


async def test_forgotten_scripts_are_loaded_again(memory: Redis, account: str) -> None:
    """A flush, or a replica that took over, costs one more trip."""
    presence = Presence(memory)
    await memory.call(command(b"SCRIPT", b"FLUSH"))
    epoch = await presence.register(account, "tv", 1, 1, 1)
    await memory.call(command(b"SCRIPT", b"FLUSH"))
    both = [Registration(account, "tv", epoch), Registration(account, "phone", epoch)]
    assert await presence.remove_all(both) == [True, False]


async def test_entries_that_must_have_ended_are_swept(memory: Redis, account: str) -> None:
    """Those of other devices that are too old, and values that are none."""
    presence = Presence(memory)
    fresh = await presence.register(account, "phone", 1, 1, 1)
    old = PRESENCE.pack(fresh - PRESENCE_LIFE_MS - 1, 1, 1, 1)
    await memory.call(command(b"HSET", b"p:{%b}" % account.encode(), b"stick", old, b"odd", b"x"))
    await presence.register(account, "tv", 1, 1, 1)
    assert set(await _entries(memory, account)) == {b"phone", b"tv"}


async def test_a_gateway_is_alive_while_it_holds_its_lease(memory: Redis, store_settings: Settings) -> None:
    """Each has a number of its own; one that left is known as gone, not forgotten."""
    async with connect_gateways(store_settings) as view:
        async with Lease(memory, "host:1", 5) as first, Lease(memory, "host:2", 5) as second:
            await view.refresh()
            assert first.number != second.number
            assert view.incarnations[first.number] == first.incarnation
            assert view.address(second.number) == (second.incarnation, "host:2")
        await view.refresh()
        assert view.incarnations[first.number] is None
        assert view.address(first.number) is None
        assert view.address(999_999) is None
        assert 999_999 not in view.incarnations


async def test_the_view_follows_by_itself(
    memory: Redis, store_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leases are renewed by themselves, without a lapse."""
    monkeypatch.setattr(module, "_REFRESH_S", 0.05)
    async with connect_gateways(store_settings) as view, Lease(memory, "host:1", 0.6) as lease:
        await until(lambda: view.incarnations.get(lease.number) == lease.incarnation)
        seen = [600]

        async def renewed() -> bool:
            (left,) = await memory.call(command(b"PTTL", b"gw:{%d}" % lease.number))
            rises = left > seen[-1]
            seen.append(left)
            return bool(rises)

        await until(renewed)
        await until(renewed)
        assert lease.lapsed == 0


async def test_a_lapse_is_noticed(memory: Redis) -> None:
    """The gateway goes on under its number: its devices counted as offline meanwhile."""
    async with Lease(memory, "host:1", 0.3) as lease:
        number, incarnation = lease.number, lease.incarnation
        await memory.call(command(b"DEL", b"gw:{%d}" % number))
        await until(lambda: lease.lapsed > 0)
        assert (lease.number, lease.incarnation) == (number, incarnation)
        await lease.renew()
        assert lease.lapsed == 1


async def test_a_number_that_another_gateway_took_is_given_up(memory: Redis) -> None:
    """Redis lost its memory, and another gateway was quicker: a new number, and a lapse."""
    async with Lease(memory, "host:1", 30) as lease:
        number = lease.number
        await memory.call(command(b"SET", b"gw:{%d}" % number, b"7 elsewhere:1"), command(b"DEL", b"gateways:last"))
        await lease.renew()
        view = Gateways(memory)
        await view.refresh()
        assert lease.lapsed == 1
        assert lease.number != number
        assert view.address(lease.number) == (lease.incarnation, "host:1")
        await memory.call(command(b"DEL", b"gw:{%d}" % number))
