"""The stage store, end to end."""

from __future__ import annotations

import time

import pytest

from sinks.cassandra import Cassandra
from sinks.devices import Device, Registry
from sinks.gateways import Lease
from sinks.inbox import InboxReader
from sinks.presence import Presence
from sinks.redis import Redis, command
from streams.envelope import ForeignTopic
from streams.targets import Predicate
from tests.integration.sinks.stores import LANE, Bench, Fresh
from tests.unit.fakes import at

FLEET = (Device("phone", "phone", "1"), Device("tv", "tv", "1"), Device("web", "browser", "1"))


async def _household(registry: Registry, account: str, memory: Redis, lease: Lease, *online: str) -> dict[str, int]:
    for device in FLEET:
        await registry.put(account, device)
    presence = Presence(memory)
    return {each: await presence.register(account, each, lease.number, lease.incarnation, 1) for each in online}


async def test_rows_then_heads_then_pushes(
    bench: Bench, registry: Registry, memory: Redis, disk: Cassandra, lease: Lease, account: str, fresh: Fresh
) -> None:
    """The television gets all, the browser the number, the phone its inbox."""
    epochs = await _household(registry, account, memory, lease, "tv", "web")
    paths = {each: (each, lease.number, lease.incarnation, epoch) for each, epoch in epochs.items()}
    seen = {each: f"{each} (gateway {lease.number} since {epoch})" for each, epoch in epochs.items()}
    absent = "phone (no presence)"
    batch = [fresh(1), fresh(2, target=Predicate(types=5)), fresh(3, target=Predicate(ids=("radio",)))]
    made = await bench.run(batch)
    assert [(push.seq, push.prev) for push in made.pushes] == [(at(1), -1), (at(2), at(1)), (at(3), at(2))]
    assert [(push.targets, push.others) for push in made.pushes] == [
        ((paths["tv"], paths["web"]), ()),
        ((paths["tv"],), (paths["web"],)),
        ((), (paths["tv"], paths["web"])),
    ]
    assert [bool(push.payload) for push in made.pushes] == [True, True, False]
    assert [(o.kind, o.seq, o.devices, o.detail, o.lane) for o in made.outcomes] == [
        ("stored", at(1), ("tv", "web", "phone"), f"socket: {seen['tv']}, {seen['web']}; inbox: {absent}", LANE),
        ("stored", at(2), ("tv", "phone"), f"socket: {seen['tv']}; inbox: {absent}", LANE),
        ("no-target", at(3), (), "no registered device is meant", LANE),
    ]
    assert made.watermark == at(3)
    rows = await (await InboxReader.open(disk)).read(account, LANE, 0, None, 10)
    assert [row.seq for row in rows] == [at(1), at(2), at(3)]


async def test_an_account_is_loaded_once(
    bench: Bench, registry: Registry, memory: Redis, lease: Lease, account: str, fresh: Fresh
) -> None:
    """From Cassandra on the first notification, from Redis after it, also one without devices."""
    await _household(registry, account, memory, lease)
    nobody = f"{account}-nobody"
    for offset in (1, 3):
        made = await bench.run([fresh(offset), fresh(offset + 1, account=nobody)])
        assert [o.kind for o in made.outcomes] == ["stored", "no-target"]
        assert bench.store.registry.fills == 2


async def test_a_replay_changes_nothing_and_looks_like_one(
    bench: Bench, registry: Registry, memory: Redis, disk: Cassandra, lease: Lease, account: str, fresh: Fresh
) -> None:
    """The same rows; each push says that the head stood at or above it. Below the watermark nothing is done."""
    accounts = [f"{account}-{n}" for n in range(7)]
    for each in accounts:
        await _household(registry, each, memory, lease, "tv")
    batch = [fresh(n, account=accounts[n % 7]) for n in range(50)]
    first, again = await bench.run(batch), await bench.run(batch)
    for each in accounts:
        own = [push for push in first.pushes if push.account == each]
        assert [push.prev for push in own] == [-1, *(push.seq for push in own[:-1])]
    assert len(first.pushes) == len(again.pushes) == 50
    assert all(push.prev >= push.seq for push in again.pushes)
    reader = await InboxReader.open(disk)
    assert sum([len(await reader.read(each, LANE, 0, None, 100)) for each in accounts]) == 50
    written = bench.store.writer.rows
    assert await bench.run(batch, taken=at(49)) == ([], [], at(49))
    assert (bench.store.writer.rows, bench.stage.metrics.copies) == (written, 50)


async def test_copies_within_a_batch_are_dropped(bench: Bench, fresh: Fresh) -> None:
    """The watermark rises as the batch is read."""
    made = await bench.run([fresh(1), fresh(1), fresh(2)], taken=at(0))
    assert ([o.seq for o in made.outcomes], bench.stage.metrics.copies) == ([at(1), at(2)], 1)


async def test_devices_of_another_life_of_a_gateway_are_offline(
    bench: Bench, registry: Registry, memory: Redis, lease: Lease, account: str, fresh: Fresh
) -> None:
    """Its lease says which life is alive."""
    await _household(registry, account, memory, lease)
    await Presence(memory).register(account, "tv", lease.number, lease.incarnation % 0xFFFF + 1, 1)
    await bench.store._gateways.refresh()
    assert (await bench.run([fresh(1)])).pushes == []


async def test_a_late_notification_is_a_row_and_a_number(
    bench: Bench, registry: Registry, memory: Redis, disk: Cassandra, lease: Lease, account: str, fresh: Fresh
) -> None:
    """Also one whose life is over, which lives for a second more."""
    await _household(registry, account, memory, lease, "tv")
    late = int(time.time() * 1000) - 5
    made = await bench.run([fresh(1, deadline=late), fresh(2, deadline=late, expires=late)])
    assert [(push.targets, push.payload, len(push.others)) for push in made.pushes] == [((), b"", 1)] * 2
    assert all("too late for a push" in o.detail for o in made.outcomes)
    assert bench.store.writer.rows == 2
    rows = await (await InboxReader.open(disk)).read(account, LANE, 0, None, 10)
    assert rows[0].seq == at(1)


async def test_one_odd_account_stops_nobody(
    bench: Bench, registry: Registry, memory: Redis, lease: Lease, account: str, fresh: Fresh
) -> None:
    """Values that are no presence, and keys that are no hash."""
    for each in (account, f"{account}-2"):
        await _household(registry, each, memory, lease, "tv")
    await memory.call(
        command(b"HSET", b"p:{%b}" % account.encode(), b"phone", b"odd"),
        command(b"SET", b"d:{%b-3}" % account.encode(), b"odd"),
    )
    made = await bench.run([fresh(1), fresh(2, account=f"{account}-2"), fresh(3, account=f"{account}-3")])
    assert [push.seq for push in made.pushes] == [at(1), at(2)]
    assert [o.kind for o in made.outcomes] == ["stored", "stored", "no-target"]


async def test_a_full_queue_is_waited_for(
    bench: Bench, registry: Registry, memory: Redis, lease: Lease, account: str, fresh: Fresh
) -> None:
    """No push is lost for want of room."""
    await _household(registry, account, memory, lease, "tv")
    bench.output.full = 1
    assert len((await bench.run([fresh(1), fresh(2)])).pushes) == 2


async def test_a_record_of_another_topic_stops_the_stage(bench: Bench, fresh: Fresh) -> None:
    """Nothing is written."""
    with pytest.raises(ForeignTopic):
        await bench.run([fresh(1, topic_id=b"none")])
    assert (bench.store.writer.rows, bench.output.sent) == (0, [])
