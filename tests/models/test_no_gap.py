"""No gap: through every interleaving of rows, heads, look-ups, pushes and a device that connects, it shows everything.

The product's own `Store`, `Heads`, `Presence`, `Backlog` and `Sessions` run over stores in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from edge.auth.identity import Identity
from edge.protocol import Sessions, State
from edge.sockets.backlog import Backlog
from edge.sockets.terms import terms_of
from edge.stores import Stores
from sinks.devices import Device
from sinks.heads import Heads
from sinks.outage import Outage
from sinks.presence import Presence
from sinks.rows import Row
from sinks.store import Store
from sinks.wire import Note
from streams.envelope import Push, decode_push, encode, notification_id
from streams.settings import Edge
from streams.targets import CACHED, DEVICE
from tests.models.memory import RUN_ID, MemoryInbox, MemoryRedis, empty
from tests.models.schedules import Schedule, explore
from tests.unit.edge.doubles import FakeLease, FakeLink
from tests.unit.fakes import NOW, FakeBatch, FakeOutput, FakeRecord, at, make_stage
from tests.unit.sinks.make import envelope

ACCOUNT = "anna"
LANES = ("critical",)
TOPIC = "push.socket.critical"
STAGE = make_stage("store", FakeOutput(), lane=0)


@dataclass(eq=False)
class Connection(FakeLink):
    """A connection that reads the inbox when it is told to, as the gateway has it do."""

    world: Any = None

    def resync(self) -> None:
        """The session was turned to SYNC; one task a connection reads."""
        if not self.world.schedule.busy("device"):
            self.world.schedule.start("device", self.world.backlog.read(self.world.session, self))


class KnownDevice:
    """The registry's word on the device."""

    async def get(self, account: str, device: str) -> Device:
        """It is registered."""
        return Device("tv", "tv", "1.0")


class World:
    """One account, one device that connects, and notifications that are stored one batch after the other."""

    def __init__(self, schedule: Schedule, lost: int = 0) -> None:
        """Of the pushes that leave, the `lost`-th never arrives, counted from 1."""
        self.schedule = schedule
        self._redis, self._rows = empty(), dict[int, Row]()
        self._redis[b"d:{anna}"] = {CACHED: b"", b"tv": DEVICE.pack(1, 1 << 20, 0)}
        self._lost, self._left = lost, 0
        self.sessions = Sessions(LANES)
        self.link = Connection(self.sessions, world=self)
        self.session, _ = self.sessions.open(Identity("tv", ACCOUNT, "tv", NOW), None, self.link)
        self.link.session = self.session
        redis: Any = MemoryRedis(self._redis, schedule, "device")
        inbox = MemoryInbox(self._rows, schedule, "device")
        parts = (KnownDevice(), inbox, Heads(redis, len(LANES)), Presence(redis), FakeLease())
        self.backlog = Backlog(self.sessions, Stores(*cast(Any, parts)), lambda name: 1, lambda: NOW / 1000)

    async def play(self, notifications: int) -> World:
        """A device says hello while notifications are stored, as this schedule has it."""
        self.schedule.start("store", self._store(range(1, notifications + 1)))
        self.schedule.start("device", self.backlog.greet(self.session, self.link, terms_of(Edge())))
        await self.schedule.run()
        return self

    async def play_again(self) -> World:
        """A device that has the first notification, and whose presence is lost, is registered again meanwhile."""
        self._redis[b"h:{anna}"] = {RUN_ID + b"0": b"%d" % at(1)}
        self.session.move(0, at(1))
        self.schedule.start("store", self._store(range(2, 4)))
        self.schedule.start("device", self._recover())
        await self.schedule.run()
        return self

    async def _recover(self) -> None:
        await self.backlog.register(self.session, self.link)
        await self.backlog.read(self.session, self.link)

    async def _store(self, offsets: range) -> None:
        """The stage `store`; each notification is a batch, whose push then travels on its own."""
        redis: Any = MemoryRedis(self._redis, self.schedule, "store")
        writer: Any = MemoryInbox(self._rows, self.schedule, "store")
        gateways: Any = SimpleNamespace(incarnations={})
        nobody: Any = None  # every account is known to Redis
        output = FakeOutput()
        stage = replace(STAGE, output=output)
        store = Store(
            stage,
            writer=writer,
            heads=Heads(redis, len(LANES)),
            registry=nobody,
            gateways=gateways,
            outage=Outage(redis, stage.fail),
        )
        for offset in offsets:
            value = encode(envelope(offset, payload=b"%d" % offset))
            await store.handle(FakeBatch("notifications.critical", [FakeRecord(offset, b"anna", value)]))
            for sent in output.to(TOPIC):
                self._send(decode_push(sent.value or b""))
            output.sent.clear()

    def _send(self, push: Push) -> None:
        self._left += 1
        if self._left != self._lost:
            self.schedule.start(f"push {self._left}", self._deliver(push, f"push {self._left}"))

    async def _deliver(self, push: Push, name: str) -> None:
        await self.schedule.gate(name, "arrives")
        self.sessions.push([_note(push)], NOW)

    @property
    def shown(self) -> list[int]:
        """Offsets of the notifications that the device was sent, in order."""
        return self.link.items()

    @property
    def position(self) -> int:
        """Offset up to which the device has everything, by its cursor."""
        return max(0, self.session.positions[0] - at(0))


def _note(push: Push) -> Note:
    return Note(
        notification_id(push.seq, push.partition, push.topic_id), push.account, push.type, push.lane, push.seq,
        push.prev, push.time, push.expires, push.events, push.content_type, push.payload,
        tuple(target[0] for target in push.targets), (),
    )  # fmt: skip


@pytest.mark.parametrize("notifications", [1, 2])
async def test_everything_is_shown_once_and_in_order(notifications: int) -> None:
    """Whatever comes first, and also where one push overtakes another: no notification is left for the next hello."""

    async def play(schedule: Schedule) -> None:
        world = await World(schedule).play(notifications)
        assert world.shown == list(range(1, notifications + 1)), schedule.trace
        assert world.session.state is State.LIVE

    assert await explore(play) > 20


async def test_a_device_that_is_registered_again_misses_nothing() -> None:
    """It reads only what the heads say is new: one of the look-up and the heads must tell of each notification."""

    async def play(schedule: Schedule) -> None:
        world = await World(schedule).play_again()
        assert world.shown == [2, 3], schedule.trace

    assert await explore(play) > 20


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_lost_push_is_never_jumped_over(lost: int) -> None:
    """The position stays where the device has everything; what comes next turns the session to its inbox."""
    missed = 0

    async def play(schedule: Schedule) -> None:
        nonlocal missed
        world = await World(schedule, lost).play(2)
        assert world.shown == list(range(1, world.position + 1)), schedule.trace
        missed += world.position < 2

    assert await explore(play) > 20
    assert missed > 0  # where no push comes behind the lost one, nothing tells of it
