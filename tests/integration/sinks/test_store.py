"""The stage store, end to end on real servers, with outputs that are only remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from msgspec.structs import replace

from deploy.local.config import Config
from deploy.local.servers import Running as Servers
from deploy.local.servers import local_servers, start
from sinks.cassandra import Cassandra
from sinks.devices import Device, Registry
from sinks.gateways import Lease
from sinks.heads import Heads
from sinks.inbox import InboxReader
from sinks.outage import RedisIsBack
from sinks.presence import Presence
from sinks.redis import Redis, command, reconnecting
from sinks.store import Store
from streams import settings
from streams.envelope import Envelope, ForeignTopic, Push, decode_push, encode
from streams.logtime import Progress
from streams.outcomes import Outcome
from streams.settings import Settings
from streams.stage import Life, Resources, Stage
from streams.targets import Predicate
from tests.integration.sinks.poll import until
from tests.unit.fakes import FakeBatch, FakeOutput, FakeRecord, at, make_stage
from tests.unit.sinks.make import envelope

LANE = 1
FLEET = (Device("phone", "phone", "1"), Device("tv", "tv", "1"), Device("web", "browser", "1"))
Fresh = Callable[..., Envelope]


class Made(NamedTuple):
    """What a batch came to."""

    pushes: list[Push]
    outcomes: list[Outcome]
    watermark: int | Progress


class Bench:
    """The stage, and the outputs that it wrote."""

    def __init__(self, stage: Stage, output: FakeOutput, store: Store) -> None:
        self.stage = stage
        self.output = output
        self.store = store

    async def run(
        self, envelopes: Sequence[Envelope], taken: int = -1, first: int = 0, life: Life | None = None
    ) -> Made:
        """Handle one batch, from the offset `first` on."""
        self.output.sent.clear()
        records = [FakeRecord(n, e.account.encode(), encode(e)) for n, e in enumerate(envelopes, first)]
        batch = FakeBatch("notifications.high", records, partition=3, taken=taken, life=life or Life())
        watermark = await self.store.handle(batch)
        sent = self.output.to("push.socket.high")
        pushes = [decode_push(each.value or b"") for each in sent]
        assert all(each.partition == 3 for each in self.output.sent)
        assert [each.key for each in sent] == [push.account.encode() for push in pushes]
        return Made(pushes, self.output.outcomes(), watermark)


def _never(cause: BaseException) -> None:
    raise cause


async def _bench(
    store_settings: Settings, stack: AsyncExitStack, fail: Callable[[BaseException], None] = _never
) -> Bench:
    output = FakeOutput()
    stage = make_stage("store", output, lane=LANE, settings=store_settings)
    stage = replace(stage, clock=time.time, resources=Resources(store_settings, stack), fail=fail)
    return Bench(stage, output, await Store.open(stage))


@pytest_asyncio.fixture
async def lease(memory: Redis) -> AsyncIterator[Lease]:
    """A gateway that is alive."""
    async with Lease(memory, "host:1", 30) as held:
        yield held


@pytest_asyncio.fixture
async def bench(store_settings: Settings, lease: Lease) -> AsyncIterator[Bench]:
    """The stage on the stores of the run; its view of the gateways is younger than the lease."""
    async with AsyncExitStack() as stack:
        yield await _bench(store_settings, stack)


@pytest.fixture
def fresh(account: str) -> Fresh:
    """Makes notifications of now."""

    def make(offset: int, **changes: Any) -> Envelope:
        now = int(time.time() * 1000)
        times = {"time": now, "appended": now, "deadline": now + 60_000, "expires": now + 3_600_000}
        return envelope(offset, **{"account": account, "lane": LANE, **times, **changes})

    return make


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
        bench = await _bench(mine, stack, failures.put_nowait)
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
        bench = await _bench(mine, stack)
        made = await bench.run([fresh(2), fresh(3)], taken=at(1))
        assert ([o.seq for o in made.outcomes], made.watermark) == ([at(2), at(3)], at(3))


async def test_a_partition_that_was_read_anew_is_held_from_where_it_begins(
    own: tuple[Settings, Servers], fresh: Fresh
) -> None:
    """What was held in its former life is read again."""
    mine, running = own
    async with AsyncExitStack() as stack:
        bench = await _bench(mine, stack)
        running.kill("redis")
        assert (await bench.run([fresh(7)], taken=at(6), first=7, life=Life())).watermark == Progress(7, at(6), -1)
        assert (await bench.run([fresh(5)], taken=at(4), first=5, life=Life())).watermark == Progress(5, at(4), -1)


async def test_a_short_cut_to_the_same_redis_is_waited_for(own: tuple[Settings, Servers], fresh: Fresh) -> None:
    """The life is the same, and its heads are there: the batch goes on."""
    mine, running = own
    async with AsyncExitStack() as stack:
        bench = await _bench(mine, stack)
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
        bench = await _bench(mine, stack)
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
        bench = await _bench(mine, stack, failures.put_nowait)
        assert (await bench.run([fresh(1)])).watermark == Progress(0, -1, -1)
        assert bench.store.writer.rows == 1
    async with AsyncExitStack() as stack:
        bench = await _bench(mine, stack)
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
        bench = await _bench(own, stack)
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
