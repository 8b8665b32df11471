"""A whole lockstep whose ways to Redis, Cassandra and the gateway lead through proxies, kept running under a load."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from deploy.local.pipeline import Member
from deploy.local.servers import Running as Servers
from streams.transport import EXIT_FAILED
from tests.e2e.oracle import Verdict
from tests.e2e.pace import Pace
from tests.e2e.run import Course
from tests.e2e.system import WORKERS, System
from tests.faults.proxy import Proxy

LANES = ("critical", "high", "normal", "low")
RATE = 1000.0
EVENTS = 2000
DEADLINE = 60.0
_LOOK = 0.1
#: Seconds until a process that failed is started again.
_AGAIN = 0.5


@dataclass
class Scene:
    """The system, what stands between its parts, and the load on it. Processes that fail are started again."""

    system: System
    servers: Servers
    redis: Proxy
    cassandra: Proxy
    gateway: Proxy
    course: Course
    of: dict[str, Member]
    failed: Counter[str] = field(default_factory=Counter)  # processes that ended with 70, by name

    async def load(self, *acts: Callable[[], Awaitable[None]]) -> Verdict:
        """Publish EVENTS, and begin the acts one after the other at a quarter of them; judge when all is over."""
        loop = asyncio.get_running_loop()
        begin = asyncio.Event()
        pace = Pace(RATE, {EVENTS // 4: lambda: loop.call_soon_threadsafe(begin.set)})
        publishing = asyncio.create_task(self.course.publish(EVENTS, pace))
        await begin.wait()
        for act in acts:
            await act()
        published = await publishing
        return await self.course.judge(published)

    async def ready(self) -> None:
        """Wait until all processes are ready."""

        async def all_ready() -> bool:
            members = list(self.of.values())
            return all(await asyncio.gather(*(asyncio.to_thread(member.ready) for member in members)))

        await until(all_ready)

    def committed(self, topic: str) -> int:
        """Offsets that the lane workers have committed, over all lanes and partitions of a topic with {lane}."""
        return sum(sum(self._offsets(lane, topic)[0]) for lane in LANES)

    def left(self, topic: str) -> int:
        """Records of such a topic that are not committed."""
        return sum(sum(ends) - sum(offsets) for offsets, ends in (self._offsets(lane, topic) for lane in LANES))

    def _offsets(self, lane: str, topic: str) -> tuple[list[int], list[int]]:
        name = self.system.topic(topic.format(lane=lane))
        consumer = Consumer({"bootstrap.servers": self.system.kafka, "group.id": self.system.prefix + lane})
        try:
            places = [TopicPartition(name, partition) for partition in range(8)]
            committed = [max(at.offset, 0) for at in consumer.committed(places, timeout=10)]
            return committed, [consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
        finally:
            consumer.close()

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            for name, member in list(self.of.items()):
                if member.process.poll() == EXIT_FAILED:
                    self.failed[name] += 1
                    await asyncio.sleep(_AGAIN)
                    self.of[name] = self.system.pipeline.worker(name)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition, DEADLINE at most."""
    async with asyncio.timeout(DEADLINE):
        while True:
            if await condition():
                return
            await asyncio.sleep(_LOOK)


@asynccontextmanager
async def supervised(scene: Scene) -> AsyncIterator[Scene]:
    """Start again what fails."""
    task = asyncio.create_task(scene._supervise())
    try:
        yield scene
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def start_all(system: System) -> dict[str, Member]:
    """Every worker and the edge, ready."""
    members = {name: system.pipeline.worker(name) for name in WORKERS}
    members["edge"] = system.pipeline.edge()
    system.pipeline.wait_ready(list(members.values()))
    return members
