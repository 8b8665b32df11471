"""`make bench-presence`: what it costs to look up who is online, as `store` does and as others would.

Rounds of three ways take turns on one Redis: `store`'s trip (heads raised, presence and devices read), the same
commands through a pipeline of redis-py, and a call a device, each awaited, the way it is written first. CPU is that of
this process. The memory that Redis needs for a device online is read before and after all are registered. Every answer
is compared with what was registered before a figure counts. The last line is JSON.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis as OtherRedis

from bench.measure import report
from bench.program import launch
from deploy.local.servers import local_servers
from sinks import redis
from sinks.heads import UNKNOWN, Heads
from sinks.presence import Presence
from sinks.redis import Redis, command
from streams import settings
from streams.envelope import position
from streams.settings import Settings
from streams.targets import PRESENCE

#: Accounts that `store` asks for at once.
BATCH: Final = 200
ROUNDS: Final = 5
LANES: Final = 4
LANE: Final = 2
GATEWAYS: Final = 50
#: Registrations in flight.
AT_ONCE: Final = 500
#: Every fifth account has a third device.
THIRD: Final = 5
#: What is looked up: positions by account; what must come back: a head, and the place of each device.
Tops = Mapping[str, int]
Found = tuple[int, dict[str, tuple[int, int]]]
#: Of each account a head and the fields of its presence, as the client of the way gives them.
Answers = Iterable[tuple[Any, Iterable[tuple[bytes, Any]]]]
Way = Callable[[Tops], Awaitable[Answers]]


class Sizes(NamedTuple):
    """How much is done."""

    accounts: int
    lookups: int  # accounts of each round of each way


class Online(NamedTuple):
    """All that are registered: of each account its devices, of each device gateway and incarnation."""

    devices: dict[str, dict[str, tuple[int, int]]]

    @property
    def total(self) -> int:
        """Devices of all accounts."""
        return sum(map(len, self.devices.values()))


def household(number: int) -> dict[str, tuple[int, int]]:
    """The devices of an account, and where each is online. Their names are as long as those of real devices."""
    count = 3 if number % THIRD == 0 else 2
    return {f"device-{number:07}-{n}": ((number + n) % GATEWAYS, 1 + number % 7) for n in range(count)}


async def register(presence: Presence, accounts: int) -> Online:
    """Register every device of so many accounts."""
    online = Online({f"account-{number}": household(number) for number in range(accounts)})
    waiting = [
        (account, device, *place) for account, homes in online.devices.items() for device, place in homes.items()
    ]
    for start in range(0, len(waiting), AT_ONCE):
        await asyncio.gather(*(presence.register(*one, 1) for one in waiting[start : start + AT_ONCE]))
    return online


class Others:
    """The same through redis-py."""

    def __init__(self, client: OtherRedis, run_id: bytes, ids: Mapping[str, Sequence[str]]) -> None:
        self._client = client
        self._run_id = run_id
        self._ids = ids

    async def pipelined(self, tops: Tops) -> Answers:
        """One pipeline for the batch. The raise is a read and a write, without the script."""
        field = self._run_id + b"%d" % LANE
        pipe = self._client.pipeline(transaction=False)
        for account, seq in tops.items():
            pipe.hget(f"h:{{{account}}}", field)
            pipe.hset(f"h:{{{account}}}", field, seq)
            pipe.hgetall(f"p:{{{account}}}")
            pipe.hgetall(f"d:{{{account}}}")
        answers = await pipe.execute()
        return ((head, place.items()) for head, place in zip(answers[0::4], answers[2::4], strict=True))

    async def one_by_one(self, tops: Tops) -> Answers:
        """A call for the head, one to raise it, and one for each device of the account."""
        found = []
        field = self._run_id + b"%d" % LANE
        for account, seq in tops.items():
            head = await self._client.hget(f"h:{{{account}}}", field)
            await self._client.hset(f"h:{{{account}}}", field, seq)
            places = [(id_.encode(), await self._client.hget(f"p:{{{account}}}", id_)) for id_ in self._ids[account]]
            found.append((head, places))
        return found


def ours(heads: Heads) -> Way:
    """The trip of `store`."""

    async def look_up(tops: Tops) -> Answers:
        states = await heads.advance({(account, LANE): seq for account, seq in tops.items()})
        return ((s.prev, zip(s.presence[::2], s.presence[1::2], strict=True)) for s in states)

    return look_up


def understood(answers: Answers) -> list[Found]:
    """Answers of any way in one form."""
    return [
        (UNKNOWN if head is None else int(head), {name.decode(): PRESENCE.unpack(value)[1:3] for name, value in places})
        for head, places in answers
    ]


class Book:
    """What must come back: the head that was set last, and the devices."""

    def __init__(self, online: Online) -> None:
        self.wrong = 0
        self._online = online
        self._heads = dict.fromkeys(online.devices, UNKNOWN)

    def check(self, tops: Tops, found: Sequence[Found]) -> None:
        """Count what is not as it must be; the heads are raised."""
        for (account, seq), answer in zip(tops.items(), found, strict=True):
            self.wrong += answer != (self._heads[account], self._online.devices[account])
            self._heads[account] = seq


async def look_up(ways: Mapping[str, Way], online: Online, sizes: Sizes) -> tuple[dict[str, list[float]], int]:
    """CPU us an account in each round of each way, and how many answers were wrong. The first round warms up."""
    book, chance, seq = Book(online), random.Random(0), 0
    names = list(online.devices)
    costs: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            cpu = 0.0
            for _ in range(sizes.lookups // BATCH):
                seq += 1
                tops = dict.fromkeys(chance.sample(names, BATCH), position(1, seq))
                began = time.process_time()
                answers = await way(tops)
                cpu += time.process_time() - began
                book.check(tops, understood(answers))
            if number:
                costs[name].append(cpu / (sizes.lookups // BATCH * BATCH) * 1e6)
    return costs, book.wrong


async def _memory(memory: Redis) -> int:
    (info,) = await memory.call(command(b"INFO", b"memory"))
    return int(info.partition(b"used_memory:")[2].split()[0])


async def measure(config: Settings, sizes: Sizes) -> dict[str, float | int]:
    """All figures, on a Redis without keys."""
    async with AsyncExitStack() as stack:
        memory = await stack.enter_async_context(redis.connect(config))
        client: OtherRedis = await stack.enter_async_context(
            OtherRedis(host=config.redis.host, port=config.redis.port, db=config.redis.database)
        )
        before = await _memory(memory)
        online = await register(Presence(memory), sizes.accounts)
        size = (await _memory(memory) - before) / online.total
        others = Others(client, memory.run_id, {account: list(homes) for account, homes in online.devices.items()})
        ways = {"store": ours(Heads(memory, LANES)), "redis_py": others.pipelined, "single": others.one_by_one}
        costs, wrong = await look_up(ways, online, sizes)
    cpu = {name: median(of) for name, of in costs.items()}
    return {
        "devices": online.total,
        "accounts_per_cpu_s": round(1e6 / cpu["store"]),
        "cpu_us_per_account": round(cpu["store"], 2),
        "cpu_us_per_account_redis_py": round(cpu["redis_py"], 2),
        "cpu_us_per_account_single": round(cpu["single"], 2),
        "bytes_per_device": round(size, 1),
        "wrong": wrong,
    }


def main() -> int:
    """Boot a Redis, measure, print one line of JSON; 1 where something was wrong."""
    sizes = Sizes(int(os.environ.get("ACCOUNTS", "100000")), int(os.environ.get("LOOKUPS", "20000")))
    with local_servers(["redis"]) as servers:
        host, port = servers.endpoints.redis
        found = asyncio.run(measure(Settings(redis=settings.Redis(host=host, port=port)), sizes))
    return report(found)


if __name__ == "__main__":
    launch(main)
