"""The stage `store`: rows are acked, then heads rise, then presence is read; what is online gets a push record."""

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
from sinks.paths import plans
from sinks.redis import RedisUnavailable
from sinks.rows import row_of
from streams.envelope import Envelope, Push, decode_envelope, encode
from streams.failpoints import reach
from streams.fresh import Fresh, Replays
from streams.outcomes import Outcome
from streams.stage import Batch, Handler, Stage

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
T = TypeVar("T")
log = logging.getLogger(__name__)


async def stage(stage: Stage) -> Handler:
    """The handler for `notifications.<lane>`."""
    return (await Store.open(stage)).handle


class Store:
    """Keeps the notifications of a batch and routes each to the devices it is meant for."""

    def __init__(
        self, stage: Stage, *, writer: InboxWriter, heads: Heads, registry: Registry, gateways: Gateways
    ) -> None:
        self.writer = writer
        self.registry = registry
        self.retries = 0  # attempts that found a store away
        self._stage = stage
        replays = Replays(stage.topic("notifications.{lane}"), stage.settings.limits.copies)
        self._fresh = Fresh(decode_envelope, stage.verify, replays)
        self._heads = heads
        self._gateways = gateways
        self._topic = stage.topic("push.{platform}.{lane}", platform="socket")

    @classmethod
    async def open(cls, stage: Stage) -> Store:
        """The stage on the resources of its worker."""
        rows = await stage.resources.get(cassandra.connect)
        memory = await stage.resources.get(redis.connect)
        return cls(
            stage,
            writer=await InboxWriter.open(rows),
            heads=Heads(memory, len(stage.topology.lane_names())),
            registry=await Registry.open(rows, memory, stage.topology),
            gateways=await stage.resources.get(connect_gateways),
        )

    async def handle(self, batch: Batch) -> int:
        """Store, route and report the notifications above the watermark.

        Raises CassandraUnavailable or RedisUnavailable when a store stays away longer than its timeout.
        """
        envelopes, copies = self._fresh.take(
            batch.partition, batch.watermark(), (record.value for record in batch.records)
        )
        self._stage.metrics.copies += copies
        if not envelopes:
            return batch.watermark()
        reach("store.decoded")
        now = self._stage.now()
        rows = [row_of(envelope, now) for envelope in envelopes]
        await self._insist(lambda: self.writer.write(rows), self._stage.settings.cassandra.timeout)
        reach("store.written")
        states = await self._states(envelopes)
        reach("store.raised")
        outcomes: list[Outcome] = []
        for plan in plans(envelopes, states, self._gateways.incarnations, self._stage.now()):
            outcomes.append(plan.outcome)
            if plan.push is not None:
                await self._put(batch.partition, plan.push)
        reach("store.produced")
        await self._stage.report(batch.partition, outcomes)
        return envelopes[-1].seq

    async def _states(self, envelopes: Sequence[Envelope]) -> Mapping[tuple[str, int], AccountState]:
        """Raise the heads of the batch; accounts whose devices Redis does not know are loaded."""
        tops = {(e.account, e.lane): e.seq for e in envelopes}  # positions rise within a batch
        patience = self._stage.settings.redis.timeout
        found = await self._insist(lambda: self._heads.advance(tops), patience)
        states = dict(zip(tops, found, strict=True))
        unknown = {account for (account, _), state in states.items() if not is_cached(state.devices)}
        if unknown:
            patience = max(patience, self._stage.settings.cassandra.timeout)
            loaded = await self._insist(lambda: self.registry.load(unknown), patience)
            for key, state in states.items():
                if key[0] in loaded:
                    states[key] = state._replace(devices=loaded[key[0]])
        return states

    async def _put(self, partition: int, push: Push) -> None:
        key, value = push.account.encode(), encode(push)
        try:
            self._stage.output.put(self._topic, partition, key, value)
        except BufferError:
            await self._stage.output.send(self._topic, partition, key, value)

    async def _insist(self, attempt: Callable[[], Awaitable[T]], patience: float) -> T:
        """Try until it works; raise when a store has been away for `patience` seconds. Every attempt is the same."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return await attempt()
            except (CassandraUnavailable, RedisUnavailable) as error:
                self.retries += 1
                if loop.time() + pause >= until:
                    raise
                log.warning("trying again in %g s: %s", pause, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
