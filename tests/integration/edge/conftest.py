"""A real edge on real stores, and a stand-in for the workers: rows, heads, then pushes."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec
import pytest
import uvloop
from lockstep_client import DeviceClient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from deploy.local.ports import free_ports
from edge.auth.tokens import PRIVATE, PUBLIC, generate_keys, issue
from edge.server import Running, running
from sinks import cassandra, redis, wire
from sinks.devices import Device, Registry
from sinks.heads import Heads
from sinks.inbox import InboxReader, InboxWriter
from sinks.rows import Row, row_of
from streams.admin import apply, plan
from streams.check import load
from streams.envelope import VERSION, Envelope, notification_id, position
from streams.settings import Cassandra, Edge, Health, Ingest, Kafka, Redis, Settings, Tokens
from streams.targets import EVERY, Predicate
from streams.topology import Topology

TOPICS = Path(__file__).parents[3] / "topics.yaml"
DEADLINE = 20.0
#: 2100-01-01: rows of the tests do not expire.
LATER = 4_102_444_800_000


def seq_of(number: int) -> int:
    """A position of the present epoch."""
    return position(1, number)


async def until(condition: Callable[[], Awaitable[bool] | bool], what: str) -> None:
    """Wait for a condition, DEADLINE at most."""
    async with asyncio.timeout(DEADLINE):
        while True:
            held = condition()
            if held is True or (not isinstance(held, bool) and await held):
                return
            await asyncio.sleep(0.01)
    raise AssertionError(what)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that `lockstep edge` runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def topology() -> Topology:
    """The shipped topology."""
    return load(TOPICS.read_text(), "topics.yaml", handlers=False)


@pytest.fixture(scope="session")
def base_settings(
    kafka: str,
    cassandra_address: tuple[str, int],
    redis_address: tuple[str, int],
    topology: Topology,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Settings for ports that are free, with a keyspace, keys and an outcomes topic of their own."""
    keys = tmp_path_factory.mktemp("keys")
    generate_keys(keys)
    host, port = cassandra_address
    settings = Settings(
        topic_prefix=f"edge-{uuid.uuid4().hex[:8]}.",
        kafka=Kafka(servers=kafka),
        cassandra=Cassandra(contact_points=(host,), port=port, keyspace=f"edge_{uuid.uuid4().hex[:8]}", timeout=3),
        redis=Redis(host=redis_address[0], port=redis_address[1], timeout=2),
        edge=Edge(port=0, push_port=0, hello_timeout=2, ping_interval=30),
        ingest=Ingest(callers=str(keys / "callers.json")),
        tokens=Tokens(keys=str(keys / PUBLIC)),
        health=Health(port=0),
    )
    patient = msgspec.structs.replace(settings.cassandra, timeout=60)  # tables are made slowly on a busy machine
    asyncio.run(cassandra.apply_schema(msgspec.structs.replace(settings, cassandra=patient)))
    apply([change for change in plan(topology, settings) if change.topic.endswith(("outcomes", "ingest"))], settings)
    return settings


class Socket:
    """A device's socket through the library `websockets`; frames as objects."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        """A message."""
        await self.connection.send(json.dumps(message))

    async def recv(self) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(DEADLINE):
            frame: dict[str, Any] = json.loads(await self.connection.recv())
        return frame

    async def until_synced(self) -> tuple[list[dict[str, Any]], str]:
        """The items up to `sync_end`, and its cursor."""
        items = []
        while (frame := await self.recv())["type"] != "sync_end":
            if frame["type"] == "notification":
                items.append(frame["item"])
        return items, frame["cursor"]

    async def items(self, number: int) -> list[dict[str, Any]]:
        """So many items; only items come."""
        return [(await self.recv())["item"] for _ in range(number)]

    async def closed(self) -> tuple[int, list[dict[str, Any]]]:
        """The close code, and the frames before it."""
        frames = []
        try:
            while True:
                frames.append(await self.recv())
        except ConnectionClosed as error:
            return (error.rcvd.code if error.rcvd else 1006), frames


@dataclass
class House:
    """An edge, one account that no other test has, and the means to act on both."""

    settings: Settings
    topology: Topology
    edge: Running
    heads: Heads
    writer: InboxWriter
    registry: Registry
    inbox: InboxReader
    disk: cassandra.Cassandra
    redis: redis.Redis
    http: aiohttp.ClientSession
    account: str = field(default_factory=lambda: f"account-{uuid.uuid4().hex[:8]}")

    @property
    def base(self) -> str:
        """Of HTTP."""
        return f"http://127.0.0.1:{self.edge.port}"

    def token(self, device: str, type_: str = "tv", *, account: str = "", lifetime: float = 600) -> str:
        """A good token."""
        private = Path(self.settings.tokens.keys).parent / PRIVATE
        return issue(private, self.settings.tokens, device, account or self.account, type_, lifetime)

    async def register(self, device: str, type_: str = "tv", version: str = "1.0", account: str = "") -> None:
        """Make a device known."""
        await self.registry.put(account or self.account, Device(device, type_, version))

    def client(self, device: str, type_: str = "tv", cursor: str = "") -> DeviceClient:
        """A device through our own client."""
        return DeviceClient(self.base, device, self.token(device, type_), cursor)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        """A socket that has said nothing yet."""
        async with connect(
            f"ws://127.0.0.1:{self.edge.port}/v1/socket",
            subprotocols=[Subprotocol("lockstep.v1")],
            compression=None,
            ping_interval=None,
            max_size=None,
        ) as connection:
            yield Socket(connection)

    @asynccontextmanager
    async def hello(self, device: str, cursor: str = "", token: str = "") -> AsyncIterator[Socket]:
        """A socket that has said hello."""
        async with self.socket() as socket:
            await socket.send(type="hello", token=token or self.token(device), cursor=cursor)
            yield socket

    async def store(self, lane: int, *numbers: int, target: Predicate = EVERY, expires: int = LATER) -> list[int]:
        """Write rows at these offsets, then the head; gives the head before each, as a store stage sees it."""
        heads = []
        for number in numbers:
            await self.writer.write([self.row(lane, number, target, expires)])
            (state,) = await self.heads.advance({(self.account, lane): seq_of(number)})
            heads.append(state.prev)
        return heads

    def row(self, lane: int, number: int, target: Predicate = EVERY, expires: int = LATER, size: int = 0) -> Row:
        """The row of an event."""
        payload = b'{"n":%d,"fill":"%b"}' % (number, b"x" * size)
        fields = ("/test", f"e-{number}", "member.plan.changed", 1_700_000_000_000, 0, LATER, expires)
        source, event, type_, time, appended, last, end = fields
        envelope = Envelope(
            VERSION, b"topc", 0, seq_of(number), lane, self.account, source, event, type_, time, appended, last, end,
            "application/json", payload, target,
        )  # fmt: skip
        return row_of(envelope, 0)

    def note(
        self,
        lane: int,
        prev: int,
        number: int,
        targets: tuple[str, ...],
        others: tuple[str, ...] = (),
        size: int = 0,
        account: str = "",
    ) -> wire.Note:
        """A push of an event; `prev` is a position."""
        payload = b'{"n":%d,"fill":"%b"}' % (number, b"x" * size)
        return wire.Note(
            notification_id(seq_of(number), 0, b"topc"), account or self.account, "member.plan.changed", lane,
            seq_of(number), prev, 1_700_000_000_000, LATER, (f"e-{number}",), "application/json", payload,
            targets, others,
        )  # fmt: skip

    async def push(self, *notes: wire.Note, incarnation: int | None = None) -> list[int]:
        """Post to the internal port; the statuses, or the one of the response where that is not 200."""
        lease = self.edge.lease
        delivery = wire.Delivery(lease.number, incarnation or lease.incarnation, list(notes))
        url = f"http://127.0.0.1:{self.edge.push_port}{wire.PATH}"
        async with self.http.post(url, data=wire.encode_delivery(delivery)) as response:
            body = await response.read()
            return wire.decode_statuses(body) if response.status == 200 else [response.status]

    async def presence(self, account: str = "") -> dict[str, bytes]:
        """Who is online, as the workers read it."""
        (flat,) = await self.redis.call(redis.command(b"HGETALL", b"p:{%b}" % (account or self.account).encode()))
        pairs = iter(flat)
        return {name.decode(): value for name, value in zip(pairs, pairs, strict=True)}


class Houses:
    """Opens edges on the same stores."""

    def __init__(self, settings: Settings, topology: Topology) -> None:
        self._settings = settings
        self._topology = topology
        self._stack = AsyncExitStack()
        self._edges: dict[int, AsyncExitStack] = {}

    async def __aenter__(self) -> Self:
        """Nothing is open yet."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close all edges."""
        await self._stack.aclose()

    async def open(self, *, health: bool = False, keys: str = "", **edge: Any) -> House:
        """An edge with other settings; `keys`: where those of tokens are."""
        replace = msgspec.structs.replace
        settings = replace(self._settings, edge=replace(self._settings.edge, **edge))
        if keys:
            settings = replace(settings, tokens=replace(settings.tokens, keys=keys))
        if health:
            settings = replace(settings, health=Health(port=free_ports(1)[0]))
        enter = self._stack.enter_async_context
        memory = await enter(redis.connect(settings))
        disk = await enter(cassandra.connect(settings))
        http = await enter(aiohttp.ClientSession())
        writer, registry = await InboxWriter.open(disk), await Registry.open(disk, memory, self._topology)
        heads = Heads(memory, len(self._topology.lane_names()))
        served = await enter(self._served(settings))
        inbox = await InboxReader.open(disk)
        return House(settings, self._topology, served, heads, writer, registry, inbox, disk, memory, http)

    @asynccontextmanager
    async def _served(self, settings: Settings) -> AsyncIterator[Running]:
        """An edge that `close_edge` may end before its time."""
        async with AsyncExitStack() as stack:
            served = await stack.enter_async_context(running(settings, self._topology))
            self._edges[id(served)] = stack
            yield served

    async def close_edge(self, house: House) -> None:
        """End an edge; its stores stay open."""
        await self._edges[id(house.edge)].aclose()


@pytest.fixture
async def houses(base_settings: Settings, topology: Topology) -> AsyncIterator[Houses]:
    """For tests that need settings of their own."""
    async with Houses(base_settings, topology) as opened:
        yield opened


@pytest.fixture
async def house(houses: Houses) -> House:
    """An edge with one television that is registered."""
    opened = await houses.open()
    await opened.register("tv-1")
    return opened
