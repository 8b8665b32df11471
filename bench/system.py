"""What is measured: a system with its processes, its accounts' devices and its inbox; and lockstep as one."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from bench.plan import LANES, Load
from bench.weights import stand_back
from deploy.local.config import Endpoints
from deploy.local.pipeline import Pipeline, environment
from deploy.local.ports import free_ports
from deploy.local.topologies import SHIPPED, sockets_only
from edge.auth.tokens import PRIVATE
from sinks import cassandra, redis
from sinks.cassandra import CassandraUnavailable
from sinks.devices import Device, Registry
from sinks.heads import Heads
from sinks.inbox import InboxReader
from sinks.redis import RedisUnavailable
from streams.check import load_file
from streams.envelope import position
from streams.settings import Settings, read_settings
from streams.topology import Topology

ROOT: Final = Path(__file__).parents[1]
#: One process for each stage, of all lanes: what a stage costs by itself.
BY_STAGE: Final[Mapping[str, object]] = {
    "route": {"stages": ["route"]},
    "notify": {"stages": ["notify"], "lanes": list(LANES)},
    "store": {"stages": ["store"], "lanes": list(LANES)},
    "push": {"stages": ["push"], "lanes": list(LANES), "platforms": ["socket"]},
}
#: Requests to a store in flight.
AT_ONCE: Final = 64
_ALL: Final = 100_000
_TRIES: Final = 10
#: Accounts in one trip to Redis.
_ACCOUNTS: Final = 1000
#: The position at which lanes stand before the first event of a load, which is at offset 0.
BEGIN: Final = position(1, 0) - 1


class Way(NamedTuple):
    """Where a load goes in, and where its devices connect."""

    servers: str
    topic: str
    host: str
    port: int
    keys: str


class System(Protocol):
    """What a load runs through."""

    @property
    def way(self) -> Way:
        """Where everything is."""

    def pids(self) -> Mapping[str, int]:
        """Its processes, by name."""

    async def register(self, load: Load) -> None:
        """Make the devices of a load known."""

    async def rows(self, load: Load) -> Mapping[str, list[int]]:
        """By account the numbers of the events that are in the inbox."""


@dataclass
class Lockstep:
    """Lockstep, running."""

    pipeline: Pipeline
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = read_settings(self.pipeline.environment)

    @property
    def way(self) -> Way:
        """Where everything is."""
        keys = self.pipeline.directory / "keys" / PRIVATE
        ingest = self.settings.topic_prefix + "ingest"
        return Way(self.settings.kafka.servers, ingest, self.settings.edge.host, self.settings.edge.port, str(keys))

    @property
    def topology(self) -> Topology:
        """That of its workers."""
        return load_file(self.settings.topology)

    def pids(self) -> Mapping[str, int]:
        """All members that live."""
        return {member.name: member.process.pid for member in self.pipeline.members if member.alive}

    async def register(self, load: Load) -> None:
        """Register the devices of every account, past the edge."""
        now = time.time_ns() // 1_000_000
        await self.put([
            (name, Device(home.id, home.type, "2.0", "socket", "", (), now))
            for name in load.names()
            for home in load.homes()
        ])  # fmt: skip

    async def put(self, devices: Sequence[tuple[str, Device]]) -> None:
        """Register devices of accounts."""
        async with AsyncExitStack() as stack:
            disk = await stack.enter_async_context(cassandra.connect(self.settings))
            memory = await stack.enter_async_context(redis.connect(self.settings))
            registry = await Registry.open(disk, memory, self.topology)
            gate = asyncio.Semaphore(AT_ONCE)

            async def put(account: str, device: Device) -> None:
                async with gate:
                    await patiently(lambda: registry.put(account, device))

            await asyncio.gather(*(put(account, device) for account, device in devices))

    async def know_heads(self, load: Load) -> None:
        """Have every lane of every account stand at BEGIN, as if events had come before.

        While a head is unknown a device reads its inbox to know that it is empty.
        """
        lanes, names = range(len(self.topology.lane_names())), load.names()
        async with redis.connect(self.settings) as memory:
            heads = Heads(memory, len(lanes))
            for start in range(0, len(names), _ACCOUNTS):
                some = names[start : start + _ACCOUNTS]
                await heads.advance({(account, lane): BEGIN for account in some for lane in lanes})

    async def rows(self, load: Load) -> Mapping[str, list[int]]:
        """Read every lane of every account."""
        found: dict[str, list[int]] = {name: [] for name in load.names()}
        lanes = len(self.topology.lane_names())
        gate = asyncio.Semaphore(AT_ONCE)
        async with cassandra.connect(self.settings) as disk:
            reader = await InboxReader.open(disk)

            async def read(account: str, lane: int) -> None:
                async with gate:
                    rows = await reader.read(account, lane, -1, None, _ALL)
                found[account] += [int(event[1:]) for row in rows for event in row.events]

            await asyncio.gather(*(read(account, lane) for account in found for lane in range(lanes)))
        return found


async def patiently(attempt: Callable[[], Awaitable[None]]) -> None:
    """Try again while a store is too busy with all that is registered at once. Raises what the last try raised."""
    for _ in range(_TRIES - 1):
        try:
            return await attempt()
        except (CassandraUnavailable, RedisUnavailable):
            await asyncio.sleep(1.0)
    return await attempt()


@contextmanager
def lockstep(
    servers: Endpoints, directory: Path, database: int = 0, workers: Mapping[str, object] | None = None,
    providers: Mapping[str, str] | None = None, partitions: int = 0,
) -> Iterator[Lockstep]:  # fmt: skip
    """A lockstep with topics, keyspace and keys, of which nothing runs yet; `workers` and `partitions` instead of the
    shipped ones.

    It has sockets only, unless `providers` has the variables that tell workers of others.
    """
    name = f"bench{uuid.uuid4().hex[:8]}"
    edge_port, push_port, *health = free_ports(2 + 20)
    made = environment(servers.kafka, servers.cassandra, servers.redis, directory, edge_port, push_port)
    made |= {
        "LOCKSTEP_TOPIC_PREFIX": f"{name}.",
        "LOCKSTEP_REDIS__DATABASE": str(database),
        "LOCKSTEP_CASSANDRA__KEYSPACE": name,
        "LOCKSTEP_TOPOLOGY": str(SHIPPED if providers else sockets_only(directory, workers, partitions)),
        **(providers or {}),
    }
    with Pipeline(made, directory, health_ports=health, own_sessions=True) as pipeline:
        pipeline.command("topics", "apply")
        pipeline.command("schema", "apply")
        pipeline.command("token", "nobody", "--account", "nothing", "--type", "tv")  # makes the keys
        yield Lockstep(pipeline)


def start(system: Lockstep, names: Sequence[str] | None = None, nice: Mapping[str, int] | None = None) -> None:
    """Start these workers, or the edge and all; wait until they are ready.

    `nice`: by how much a member's weight is below that of the others.
    """
    pipeline, members = system.pipeline, []
    for name in names or (*system.topology.workers, "edge"):
        member = pipeline.edge() if name == "edge" else pipeline.worker(name)
        if nice and name in nice:
            stand_back(member.process.pid, nice[name])  # at once: threads inherit what is set before they begin
        members.append(member)
    pipeline.wait_ready(members)
