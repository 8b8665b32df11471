"""The stage `store`: rows are acked, then heads rise, then presence is read; what is online gets a push record.

While Cassandra is away the stage waits; while Redis is away it goes on writing rows and acks nothing (`sinks.outage`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from sinks import cassandra, redis
from sinks.cassandra import CassandraUnavailable
from sinks.devices import Registry, is_cached
from sinks.gateways import Gateways, connect_gateways
from sinks.heads import AccountState, Heads
from sinks.inbox import InboxWriter
from sinks.outage import Outage
from sinks.paths import plans, rules_of
from sinks.redis import RedisUnavailable
from sinks.rows import row_of
from sinks.together import Together
from streams.envelope import decode_envelope, encode
from streams.failpoints import reach
from streams.fresh import Fresh, Replays
from streams.logtime import Progress
from streams.outcomes import Outcome
from streams.stage import Batch, Handler, Packed, Stage

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
#: Redis' timeouts until it counts as away: one for a call without an answer, one for a new connection.
_PATIENCE: Final = 2
T = TypeVar("T")
_Place = tuple[str, int]  # account and lane
log = logging.getLogger(__name__)


async def stage(stage: Stage) -> Handler:
    """The handler for `notifications.<lane>`."""
    return (await Store.open(stage)).handle


class Store:
    """Keeps the notifications of a batch and routes each to the devices it is meant for."""

    def __init__(
        self,
        stage: Stage,
        *,
        writer: InboxWriter,
        heads: Heads,
        registry: Registry,
        gateways: Gateways,
        outage: Outage,
    ) -> None:
        self.writer = writer
        self.registry = registry
        self.retries = 0  # attempts that found a store away
        self._stage = stage
        replays = Replays(stage.topic("notifications.{lane}"), stage.settings.limits.copies)
        self._fresh = Fresh(decode_envelope, stage.verify, replays)
        self._heads = heads
        self._gateways = gateways
        self._outage = outage
        self._raise = Together(self._advance)
        self._rules = rules_of(stage.topology)
        self._topics = {name: stage.topic("push.{platform}.{lane}", platform=name) for name in self._rules.platforms}

    @classmethod
    async def open(cls, stage: Stage) -> Store:
        """The stage on the resources of its worker; Redis may be away."""
        rows = await stage.resources.get(cassandra.connect)
        memory = await stage.resources.get(redis.reconnecting)
        return cls(
            stage,
            writer=await InboxWriter.open(rows),
            heads=Heads(memory, len(stage.topology.lane_names())),
            registry=await Registry.open(rows, memory, stage.topology),
            gateways=await stage.resources.get(connect_gateways),
            outage=Outage(memory, stage.fail),
        )

    async def handle(self, batch: Batch) -> int | Progress:
        """Store, route and report the notifications above the watermark; how far the partition is where they are held.

        Waits for Cassandra. Raises RedisIsBack when Redis is another one than before.
        """
        envelopes, copies = self._fresh.take(
            batch.partition, batch.watermark(), (record.value for record in batch.records)
        )
        self._stage.metrics.copies += copies
        held = self._outage.held(batch.partition, batch.life)
        if not envelopes:
            return held or batch.watermark()
        reach("store.decoded")
        now = self._stage.now()
        rows = [row_of(envelope, now) for envelope in envelopes]
        await self._insist(lambda: self.writer.write(rows))
        reach("store.written")
        if held is not None:
            return held
        tops = {(e.account, e.lane): e.seq for e in envelopes}  # positions rise within a batch
        try:
            states = await self._states(tops)
        except RedisUnavailable as error:
            return self._outage.hold(batch, error, lambda: self._advance([*tops.items()]))
        reach("store.raised")
        outcomes: list[Outcome] = []
        pushes: dict[str, list[Packed]] = {}
        for plan in plans(envelopes, states, self._gateways.incarnations, self._rules, self._stage.now()):
            outcomes.append(plan.outcome)
            for platform, push in plan.pushes.items():
                pushes.setdefault(platform, []).append((push.account.encode(), encode(push)))
        for platform, packed in pushes.items():
            await self._stage.output.send_all(self._topics[platform], batch.partition, packed)
        reach("store.produced")
        await self._stage.report(batch.partition, outcomes)
        return envelopes[-1].seq

    async def _states(self, tops: Mapping[_Place, int]) -> Mapping[_Place, AccountState]:
        """Raise the heads of the batch; accounts whose devices Redis does not know are loaded."""
        found = await self._insist(lambda: self._raise([*tops.items()]))
        states = dict(zip(tops, found, strict=True))
        unknown = {account for (account, _), state in states.items() if not is_cached(state.devices)}
        if unknown:
            loaded = await self._insist(lambda: self.registry.load(unknown))
            for key, state in states.items():
                if key[0] in loaded:
                    states[key] = state._replace(devices=loaded[key[0]])
        self._outage.check()  # of a life that has ended meanwhile, nothing is acked
        return states

    async def _advance(self, tops: Sequence[tuple[_Place, int]]) -> list[AccountState]:
        """The state behind each head that is raised: an account of several partitions has one of them all."""
        self._outage.check()
        highest: dict[_Place, int] = {}
        for place, seq in tops:
            highest[place] = max(seq, highest.get(place, seq))
        states = dict(zip(highest, await self._heads.advance(highest), strict=True))
        return [states[place] for place, _ in tops]

    async def _insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works; every attempt is the same. Raises RedisUnavailable once Redis counts as away."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE * self._stage.settings.redis.timeout
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return await attempt()
            except RedisUnavailable as error:
                self.retries += 1
                if loop.time() + pause >= until or self._outage.is_on():
                    raise
                log.warning("trying again in %g s: %s", pause, error)
            except CassandraUnavailable as error:
                self.retries += 1
                log.warning("Cassandra is away, trying again in %g s: %s", pause, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
