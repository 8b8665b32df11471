"""The registry on real servers: its copy in Redis never hides a newer registration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from sinks.devices import COPY_LIFE_S, Device, Registry, is_cached
from sinks.heads import Heads
from sinks.redis import Redis, command
from streams.sizes import MAX_DEVICES
from streams.targets import CACHED

TV = Device("tv", "tv", "1.2", capabilities=("hdr", "4k"), registered=1_700_000_000_000)
PHONE = Device("phone", "phone", "3", platform="pigeon", token="secret")


async def _copy(memory: Redis, account: str) -> list[bytes]:
    (state,) = await Heads(memory, 4).advance({(account, 0): 1})
    return state.devices


async def test_devices_are_kept_and_forgotten(registry: Registry, account: str) -> None:
    """Registering again replaces; deleting says whether there was one."""
    assert await registry.get(account, "tv") is None
    await registry.put(account, PHONE)
    await registry.put(account, TV)
    assert await registry.list(account) == [PHONE, TV]
    await registry.put(account, Device("tv", "tv", "1.3"))
    assert await registry.get(account, "tv") == Device("tv", "tv", "1.3")
    assert [await registry.delete(account, "tv") for _ in range(2)] == [True, False]
    assert await registry.list(account) == [PHONE]
    with pytest.raises(ValueError, match="toaster"):
        await registry.put(account, Device("x", "toaster", "1"))


async def test_an_account_is_full(registry: Registry, account: str) -> None:
    """With as many devices as it may have, and no longer when one is forgotten."""
    devices = [replace(TV, id=f"tv-{number}") for number in range(MAX_DEVICES)]
    await asyncio.gather(*(registry.put(account, device) for device in devices[1:]))
    assert not await registry.is_full(account)
    await registry.put(account, devices[0])
    assert await registry.is_full(account)
    assert not await registry.is_full(f"{account}-other")
    await registry.delete(account, "tv-7")
    assert not await registry.is_full(account)


async def test_a_copy_is_filled_on_a_miss_and_dropped_by_a_registration(
    registry: Registry, memory: Redis, account: str
) -> None:
    """What `load` returns is what the next trip finds."""
    await registry.put(account, TV)
    assert not is_cached(await _copy(memory, account))
    empty = f"{account}-empty"
    copies = await registry.load({account, empty})
    assert copies[empty] == [CACHED, b""]
    for name in (account, empty):
        found = await _copy(memory, name)
        assert is_cached(found)
        assert dict(zip(found[::2], found[1::2], strict=True)) == dict(
            zip(copies[name][::2], copies[name][1::2], strict=True)
        )
    (life,) = await memory.call(command(b"TTL", b"d:{%b}" % account.encode()))
    assert COPY_LIFE_S - 60 < life <= COPY_LIFE_S
    await registry.put(account, PHONE)
    assert not is_cached(await _copy(memory, account))
    await registry.load([account])
    await registry.delete(account, "tv")
    assert not is_cached(await _copy(memory, account))
    assert (registry.fills, registry.refused_fills) == (3, 0)


@pytest.mark.parametrize("already_known", [False, True])
async def test_a_fill_that_a_registration_overtook_is_refused(
    registry: Registry, memory: Redis, account: str, already_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The devices were read before the registration: the copy would hide it."""
    if already_known:
        await registry.put(account, PHONE)
    read, execute, proceed = asyncio.Event(), registry._execute, asyncio.Event()

    async def slow(statement: Any, parameters: Sequence[Any] = ()) -> list[Any]:
        rows = await execute(statement, parameters)
        read.set()
        await proceed.wait()
        return rows

    monkeypatch.setattr(registry, "_execute", slow)
    filling = asyncio.create_task(registry.load([account]))
    await read.wait()
    monkeypatch.undo()
    await registry.put(account, TV)
    proceed.set()
    await filling
    assert registry.refused_fills == 1
    assert not is_cached(await _copy(memory, account))
    assert TV.id.encode() in (await registry.load([account]))[account]
    assert TV.id.encode() in await _copy(memory, account)


async def test_many_accounts_are_loaded_at_once(registry: Registry, account: str) -> None:
    """More than are read at a time."""
    accounts = [f"{account}-{n}" for n in range(150)]
    assert set(await registry.load(accounts)) == set(accounts)
    assert registry.fills == 150


async def test_a_token_is_forgotten_and_the_device_stays(registry: Registry, memory: Redis, account: str) -> None:
    """Its copy goes too; what stands for another token, or is not there, stays as it is."""
    await registry.put(account, PHONE)
    await registry.load([account])
    assert not await registry.forget(account, "phone", "another", 0)
    assert not await registry.forget(account, "radio", "secret", 0)
    assert is_cached(await _copy(memory, account))
    assert await registry.forget(account, "phone", "secret", 0)
    assert not is_cached(await _copy(memory, account))
    assert await registry.list(account) == [replace(PHONE, token="")]
    assert not await registry.forget(account, "phone", "secret", 0)


async def test_a_token_that_was_registered_again_stays(
    registry: Registry, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's word is of a time before it, or the registration comes while the word is heeded."""
    before = int(time.time() * 1000) - 1000
    await registry.put(account, PHONE)
    assert not await registry.forget(account, "phone", "secret", before)
    read, execute = asyncio.Event(), registry._execute

    async def slow(statement: Any, parameters: Sequence[Any] = ()) -> list[Any]:
        if statement is registry._statements.forget and not read.is_set():
            read.set()
            await registry.put(account, PHONE)
        return await execute(statement, parameters)

    monkeypatch.setattr(registry, "_execute", slow)
    assert await registry.forget(account, "phone", "secret", before + 60_000)
    assert await registry.get(account, "phone") == PHONE
