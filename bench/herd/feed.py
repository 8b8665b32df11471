"""Events that go on during the drill: what `store` and `push` do with them, on the real stores and gateways."""

from __future__ import annotations

import asyncio
import json
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from typing import Final, NamedTuple

from bench.plan import Load, Planned, account_name
from bench.system import BEGIN
from sinks import cassandra, redis
from sinks.cassandra import CassandraUnavailable
from sinks.devices import Registry, is_cached
from sinks.gateways import Gateways, connect_gateways
from sinks.heads import AccountState, Heads
from sinks.inbox import InboxWriter
from sinks.paths import Rules, plans, rules_of
from sinks.posts import Posts, connect_http
from sinks.presence import Presence
from sinks.redis import RedisUnavailable
from sinks.rows import row_of
from sinks.socket import SocketSink
from streams.envelope import VERSION, Envelope, Push
from streams.settings import Settings
from streams.topology import Topology

LANE: Final = "critical"
LIFE_MS: Final = 3_600_000
#: Most events of a batch, and the pause where none is due, s.
BATCH: Final = 512
_NAP_S: Final = 0.005
_RETRY_S: Final = 0.1


class Stores(NamedTuple):
    """What `store` writes and reads, and what `push` sends through."""

    writer: InboxWriter
    heads: Heads
    registry: Registry
    gateways: Gateways
    rules: Rules
    sink: SocketSink


@asynccontextmanager
async def open_stores(settings: Settings, topology: Topology) -> AsyncIterator[Stores]:
    """Raises CassandraUnavailable and RedisUnavailable."""
    async with AsyncExitStack() as stack:
        disk = await stack.enter_async_context(cassandra.connect(settings))
        memory = await stack.enter_async_context(redis.connect(settings))
        gateways = await stack.enter_async_context(connect_gateways(settings))
        http = await stack.enter_async_context(connect_http(settings))
        yield Stores(
            await InboxWriter.open(disk),
            Heads(memory, len(topology.lane_names())),
            await Registry.open(disk, memory, topology),
            gateways,
            rules_of(topology),
            SocketSink(Posts(http, gateways), gateways, Presence(memory)),
        )


class Feed:
    """A load at a steady rate, in batches of what has become due; both stages have one batch at a time each."""

    def __init__(self, stores: Stores, load: Load, lane: int, rate: float) -> None:
        """`load` begins where it ends; `lane`: the number of LANE; `rate`: events a second."""
        self.load = load
        self.handed_over = array("q")  # when `push` was given each event (monotonic, ns)
        self._stores = stores
        self._lane = lane
        self._rate = rate
        self._over = asyncio.Event()
        self._pushes: asyncio.Queue[list[Push]] = asyncio.Queue()

    async def run(self) -> None:
        """Go on until `end`; then everything is pushed that could be."""
        pushing = asyncio.create_task(self._push())
        try:
            await self._store()
            await self._pushes.join()
        finally:
            pushing.cancel()

    def end(self) -> None:
        """No more events."""
        self._over.set()

    async def _store(self) -> None:
        began = time.monotonic()
        while not self._over.is_set():
            due = int((time.monotonic() - began) * self._rate) - (self.load.stop - self.load.start)
            if due < 1:
                await asyncio.sleep(_NAP_S)
                continue
            batch = self.load._replace(start=self.load.stop, stop=self.load.stop + BATCH)
            planned = list(islice(batch.events(), due))
            pushes = await self._keep([self._envelope(each) for each in planned])
            self.load = self.load._replace(stop=self.load.stop + len(planned))
            self.handed_over.extend([time.monotonic_ns()] * len(planned))
            self._pushes.put_nowait(pushes)

    def _envelope(self, planned: Planned) -> Envelope:
        now = time.time_ns() // 1_000_000
        return Envelope(
            VERSION, b"topc", 0, BEGIN + 1 + planned.id, self._lane, account_name(self.load.run, planned.account),
            "/bench", f"e{planned.id}", planned.type, now, now, now + LIFE_MS, now + LIFE_MS, "application/json",
            json.dumps(planned.data).encode(),
        )  # fmt: skip

    async def _keep(self, envelopes: Sequence[Envelope]) -> list[Push]:
        """Rows, then heads and presence; tried until it works, as every attempt is the same."""
        while True:
            try:
                return await self._attempt(envelopes)
            except (CassandraUnavailable, RedisUnavailable):
                await asyncio.sleep(_RETRY_S)

    async def _attempt(self, envelopes: Sequence[Envelope]) -> list[Push]:
        stores, now = self._stores, time.time_ns() // 1_000_000
        await stores.writer.write([row_of(envelope, now) for envelope in envelopes])
        tops = {(e.account, e.lane): e.seq for e in envelopes}
        states = dict(zip(tops, await stores.heads.advance(tops), strict=True))
        await self._fill(states)
        found = plans(envelopes, states, stores.gateways.incarnations, stores.rules, now)
        return [push for plan in found for push in plan.pushes.values()]

    async def _fill(self, states: dict[tuple[str, int], AccountState]) -> None:
        """Load accounts whose devices Redis does not know."""
        unknown = {account for (account, _), state in states.items() if not is_cached(state.devices)}
        loaded = await self._stores.registry.load(unknown) if unknown else {}
        for key, state in states.items():
            if key[0] in loaded:
                states[key] = state._replace(devices=loaded[key[0]])

    async def _push(self) -> None:
        while True:
            await self._stores.sink.deliver(await self._pushes.get())
            self._pushes.task_done()
