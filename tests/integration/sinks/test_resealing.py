"""Tokens that are kept in clear or with an older key are sealed anew, on real stores."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from sinks.cassandra import Cassandra
from sinks.devices import Device, Registry
from sinks.heads import Heads
from sinks.redis import Redis
from sinks.resealing import Resealed, reseal
from sinks.seal import Seal, fresh_key

OLD, NEW, LOST = (json.loads(fresh_key(name)) for name in ("old", "new", "lost"))


def seal(*keys: object) -> Seal:
    """With these keys."""
    return Seal(json.dumps({"keys": keys}))


async def test_all_tokens_are_sealed_with_the_first_key(
    disk: Cassandra, memory: Redis, registry: Registry, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over pages that cut accounts; what no key opens stays, and a second time there is nothing to do."""
    monkeypatch.setattr("sinks.resealing._PAGE", 3)
    await disk.execute("TRUNCATE devices")
    made = seal(NEW, OLD)
    kept = {"clear": "token", "old": seal(OLD).seal(account, "old", "token"), "new": made.seal(account, "new", "token")}
    devices = [Device(name, "tv", "1.0", platform="fcm", token=text) for name, text in kept.items()]
    for device in (*devices, Device("none", "tv", "1.0")):
        await registry.put(account, device)
    closed = Device("closed", "tv", "1.0", platform="fcm", token=seal(LOST).seal("b", "closed", "token"))
    await registry.put("b", closed)
    await registry.load([account])
    assert await reseal(disk, registry, made) == Resealed(tokens=4, sealed=2, closed=1)
    for device in devices:
        found = await registry.get(account, device.id)
        assert found is not None
        assert made.is_current(found.token)
        assert seal(NEW).open(account, device.id, found.token.encode()) == b"token"
        assert found == replace(device, token=found.token)
    assert await registry.get("b", "closed") == closed
    (state,) = await Heads(memory, 4).advance({(account, 0): 1})
    assert state.devices == []  # the copy is dropped
    assert await reseal(disk, registry, made) == Resealed(tokens=4, sealed=0, closed=1)


async def test_a_registration_meanwhile_wins(
    disk: Cassandra, registry: Registry, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that comes between reading and writing, and a device that is forgotten then stays so."""
    await disk.execute("TRUNCATE devices")
    made = seal(NEW)
    for name in ("again", "gone"):
        await registry.put(account, Device(name, "tv", "1.0", platform="fcm", token="first"))
    drop = registry.drop_copy

    async def dropped(name: str) -> None:
        await registry.put(account, Device("again", "tv", "2.0", platform="fcm", token="second"))
        await registry.delete(account, "gone")
        await drop(name)

    monkeypatch.setattr(registry, "drop_copy", dropped)
    await reseal(disk, registry, made)
    assert await registry.list(account) == [Device("again", "tv", "2.0", platform="fcm", token="second")]
