"""A device that polls while rows are written and heads rise in two lanes: nothing is skipped or shown twice.

The product's own `Pull` answers, over stores in memory, with the cursor and the ETag of the answer before.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

from edge.auth.identity import Identity
from edge.load import Load
from edge.protocol import Sessions
from edge.pull.endpoint import Pull
from edge.pull.waits import Waits
from edge.stores import Stores
from sinks.heads import Heads
from sinks.rows import Row, row_of
from streams.settings import Edge
from tests.models.memory import MemoryInbox, MemoryRedis, empty
from tests.models.schedules import Schedule, sample
from tests.models.test_no_gap import KnownDevice
from tests.unit.fakes import NOW, at, shipped_topology
from tests.unit.sinks.make import envelope

ACCOUNT = "anna"
#: Offsets of the rows of each lane, in the order in which its store writes them.
WRITTEN = {0: (1, 4), 1: (2, 3)}
TOPOLOGY = shipped_topology()
POLLS = 3
RUNS = 400


class Poller:
    """A device: it keeps the newest cursor and ETag."""

    def __init__(self, pull: Pull) -> None:
        self.shown: list[int] = []
        self._pull = pull
        self._cursor = self._tag = ""

    async def poll(self) -> None:
        """Ask once; one item fits in a page, as the tightest case."""
        query = {"cursor": self._cursor, "limit": "1"}
        request: Any = SimpleNamespace(query=query, headers={"If-None-Match": self._tag} if self._tag else {})
        answer = await self._pull.notifications(request)
        if answer.status == 304:
            return
        page = json.loads(cast(bytes, answer.body))
        self._cursor, self._tag = page["next_cursor"], answer.headers["ETag"]
        self.shown += [item["data"] for item in page["items"]]

    async def polls(self, times: int) -> None:
        """Ask a few times."""
        for _ in range(times):
            await self.poll()


class World:
    """Two stores and a device."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._redis, self._rows = empty(), dict[int, Row]()
        redis: Any = MemoryRedis(self._redis, schedule, "device")
        stores = Stores(*cast(Any, (KnownDevice(), MemoryInbox(self._rows, schedule, "device"), Heads(redis, 4), 0, 0)))
        access: Any = SimpleNamespace(device=lambda request: Identity("tv", ACCOUNT, "tv", NOW))
        reports: Any = SimpleNamespace(presented=lambda *said: None)
        waits = Waits(Sessions(TOPOLOGY.lane_names()), stores, 1)
        self.device = Poller(Pull(Edge(), TOPOLOGY, stores, access, reports, lambda: NOW / 1000, waits, Load()))

    async def play(self) -> Poller:
        """Rows are written and heads raised while the device asks; then it asks until there is nothing new."""
        for lane in WRITTEN:
            self.schedule.start(f"store {lane}", self._store(lane))
        self.schedule.start("device", self.device.polls(POLLS))
        await self.schedule.run()
        rest = sum(map(len, WRITTEN.values())) + 1
        self.schedule.start("device", self.device.polls(rest))
        await self.schedule.run()
        return self.device

    async def _store(self, lane: int) -> None:
        actor = f"store {lane}"
        redis: Any = MemoryRedis(self._redis, self.schedule, actor)
        heads = Heads(redis, 4)
        for offset in WRITTEN[lane]:
            made = envelope(offset, lane=lane, payload=b"%d" % offset)
            await MemoryInbox(self._rows, self.schedule, actor).write([row_of(made, NOW)])
            await heads.advance({(ACCOUNT, lane): at(offset)})


async def test_every_row_is_shown_once() -> None:
    """Whatever was written between the reads of a poll, or between two polls."""

    async def play(schedule: Schedule) -> None:
        device = await World(schedule).play()
        assert sorted(device.shown) == [1, 2, 3, 4], schedule.trace

    await sample(play, range(RUNS))
