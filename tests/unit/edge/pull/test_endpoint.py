"""Pulls on stores in memory: when a device is asked to come back, and when what it missed has ended unread."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from edge import cursor as cursors
from edge.auth.identity import Identity
from edge.cursor import Cursor
from edge.load import POLL_AFTER_S, Load
from edge.problems import Problem
from edge.protocol import Sessions
from edge.pull.endpoint import Pull
from edge.pull.tags import tag_of
from edge.pull.waits import Waits
from edge.server import api
from edge.stores import Stores
from streams.settings import Edge
from tests.unit.edge.doubles import ME, NOW, FakeLease, row
from tests.unit.edge.stores import FakeHeads, FakeInbox, FakePresence, FakeRegistry
from tests.unit.fakes import shipped_topology

CURSOR = cursors.encode(Cursor(cursors.fingerprint(ME.account), NOW, (0, 0, 0, 0)))


class Mine:
    """Access for one device, and reports that nobody reads."""

    def device(self, request: object) -> Identity:
        """Whoever asks."""
        return ME

    def presented(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("tag", ["", tag_of((0, 0, 0, 0))])
async def test_a_wait_that_another_ended_does_not_come_back_at_once(tag: str) -> None:
    """Or two with the same name would end each other as fast as they can; the other one waits on. 304 says it too."""
    topology, door, registered = shipped_topology(), cast(Any, Mine()), asyncio.Event()
    parts = FakeRegistry(), FakeInbox(), FakeHeads((0, 0, 0, 0)), FakePresence(hook=registered.set), FakeLease()
    stores = Stores(*cast(Any, parts))
    waits = Waits(Sessions(topology.lane_names()), stores, 10)
    pull = Pull(Edge(), topology, stores, door, door, lambda: float(NOW), waits, Load())
    async with TestClient(TestServer(api([pull.routes()]))) as client:

        async def wait() -> float:
            query = {"cursor": CURSOR, "wait": "20"}
            headers = {"If-None-Match": tag} if tag else {}
            async with client.get("/v1/devices/tv/notifications", params=query, headers=headers) as response:
                assert response.status == (304 if tag else 200)
                return float(response.headers["Poll-After"] if tag else (await response.json())["poll_after"])

        first = asyncio.create_task(wait())
        await asyncio.wait_for(registered.wait(), 10)
        second = asyncio.create_task(wait())
        assert await asyncio.wait_for(first, 10) >= 0.8 * POLL_AFTER_S
        assert not second.done()
        waits.drain()
        assert 0 < await asyncio.wait_for(second, 10) < 10
        assert 0 < await asyncio.wait_for(wait(), 10) < 10


HOUR, DAY = 3600, 86_400
LIFE = 7 * DAY


class Scene:
    """A device, an inbox whose rows end when their life is over, and a clock."""

    def __init__(self, backlog: int = 10_000) -> None:
        self.now = NOW
        self.appended: dict[int, tuple[int, int]] = {}  # by position: lane, and when
        self.inbox = FakeInbox(hook=self._expire)
        self.heads = FakeHeads((0, 0, 0, 0))
        topology, door = shipped_topology(), cast(Any, Mine())
        stores = Stores(*cast(Any, (FakeRegistry(), self.inbox, self.heads, FakePresence(), FakeLease())))
        waits = Waits(Sessions(topology.lane_names()), stores, 10)
        settings = Edge(backlog=backlog)
        self._pull = Pull(settings, topology, stores, door, door, lambda: float(self.now), waits, Load())

    def store(self, lane: int) -> None:
        """One more row."""
        seq = len(self.appended) + 1
        self.appended[seq] = lane, self.now
        self.inbox.rows.append(row(lane, seq, expires=(self.now + LIFE) * 1000))
        heads = list(self.heads.heads)
        heads[lane] = seq
        self.heads.heads = heads[0], heads[1], heads[2], heads[3]

    def _expire(self) -> None:
        self.inbox.rows = [each for each in self.inbox.rows if each.expires > self.now * 1000]

    async def pull(self, cursor: str, limit: int = 50) -> list[str]:
        """Ask; the cursors of the answer, the last one is that of the page. Raises Problem."""
        request: Any = SimpleNamespace(query={"cursor": cursor, "limit": str(limit)}, headers={})
        answer = await self._pull.notifications(request)
        page = json.loads(cast(bytes, answer.body))
        return [*(item["cursor"] for item in page["items"]), page["next_cursor"]]


async def is_over(scene: Scene, cursor: str) -> bool:
    """Whether the device is told to load the whole state."""
    try:
        await scene.pull(cursor)
    except Problem as problem:
        return problem.name == "resync-required"
    return False


async def test_a_device_that_stops_in_a_backlog_is_told_of_what_ended_meanwhile() -> None:
    """At the end of a page or in it; what was not read is as old as when the device last had all."""
    scene = Scene()
    *_, start = await scene.pull("")
    scene.now += HOUR
    for lane in (1, 1, 1, 3):
        scene.store(lane)
    scene.now += 5 * DAY
    item, middle = await scene.pull(start, 1)
    *items, end = await scene.pull(start)
    assert len(items) == 4
    scene.now += DAY
    assert [await is_over(scene, cursor) for cursor in (item, middle, items[-1], end)] == [False] * 4
    scene.now += 2 * DAY
    assert [await is_over(scene, cursor) for cursor in (item, middle, items[-1], end)] == [True] * 3 + [False]


async def test_a_fresh_start_in_pages_is_as_of_its_beginning() -> None:
    """The state was loaded then: what ended of the time before is no loss, and asks for no other state."""
    scene = Scene()
    scene.store(0)
    scene.now += LIFE - 10
    scene.store(0)
    scene.store(3)
    *_, middle = await scene.pull("", 1)
    scene.now += 20
    *_, middle = await scene.pull(middle, 1)
    scene.now += LIFE - 2 * HOUR
    assert not await is_over(scene, middle)
    scene.now += 2 * HOUR
    assert await is_over(scene, middle)


async def test_a_backlog_is_counted_where_it_begins() -> None:
    """And not again for each of its pages."""
    scene = Scene(backlog=5)
    *_, start = await scene.pull("")
    for _ in range(5):
        scene.store(1)
    scene.now += HOUR
    *_, cursor = await scene.pull(start, 1)
    counted = scene.inbox.counted
    for _ in range(3):
        scene.store(1)
        *_, cursor = await scene.pull(cursor, 1)
    assert scene.inbox.counted == counted > 0
    with pytest.raises(Problem, match="resync-required"):
        await scene.pull(start, 1)


STEPS = st.one_of(
    st.tuples(st.just("store"), st.integers(0, 3)),
    st.tuples(st.just("sleep"), st.sampled_from((1, 2 * DAY, 3 * DAY))),
    st.tuples(st.just("pull"), st.integers(1, 3)),
    st.tuples(st.just("stop"), st.integers(1, 3)),
)


@given(st.lists(STEPS, min_size=8, max_size=16))
@pytest.mark.asyncio
async def test_nothing_ends_unread_and_unnoticed(steps: list[tuple[str, int]]) -> None:
    """However a device pulls, stops within a page and stays away."""
    scene, cursor, since = Scene(), "", NOW
    for step, number in steps:
        if step == "store":
            scene.store(number)
            scene.store(number)
        elif step == "sleep":
            scene.now += number
        elif await is_over(scene, cursor) or not cursor:
            since = scene.now  # the whole state is loaded
            *_, cursor = await scene.pull("", number)
        else:
            cursor = (await scene.pull(cursor, number))[0 if step == "stop" else -1]
        if cursor:
            read = cursors.decode(cursor, 4)
            for seq, (lane, at) in scene.appended.items():
                lost = since <= at <= scene.now - LIFE and seq > read.positions[lane]
                assert not lost or read.is_over(scene.now)


@pytest.mark.parametrize("head", [-1, 0, 4])
@pytest.mark.parametrize("epoch", [0, 2 << 48])
async def test_a_cursor_above_the_heads_is_believed(head: int, epoch: int) -> None:
    """In good faith it is: a row is read before its head is raised, and heads that Redis lost are made anew of the rows
    that are left. Whoever capped it would send again what was read; whoever refused it, would for as long as heads stay
    low, or an edge knows the former epoch only. What comes is above it, for a new `ingest` has a higher epoch.
    """
    scene = Scene()
    for _ in range(5):
        scene.store(1)
    scene.heads.heads = (0, head, 0, 0)
    claimed = Cursor(cursors.fingerprint(ME.account), scene.now, (0, epoch + 5, 0, 0))
    *items, cursor = await scene.pull(cursors.encode(claimed))
    scene.now += HOUR
    *more, cursor = await scene.pull(cursor)
    assert (items, more) == ([], [])
    assert cursors.decode(cursor, 4).positions == claimed.positions
    scene.inbox.rows.append(row(1, epoch + 6, expires=(scene.now + LIFE) * 1000))
    scene.heads.heads = (0, epoch + 6, 0, 0)
    item, cursor = await scene.pull(cursor)
    assert cursors.decode(item, 4).positions[1] == epoch + 6
