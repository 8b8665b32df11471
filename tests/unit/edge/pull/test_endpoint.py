"""Pulls on stores in memory: when a device is asked to come back."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp.test_utils import TestClient, TestServer

from edge import cursor as cursors
from edge.auth.identity import Identity
from edge.cursor import Cursor
from edge.load import POLL_AFTER_S, Load
from edge.protocol import Sessions
from edge.pull.endpoint import Pull
from edge.pull.waits import Waits
from edge.server import api
from edge.stores import Stores
from streams.settings import Edge
from tests.unit.edge.doubles import ME, NOW, FakeLease
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


async def test_a_wait_that_another_ended_does_not_come_back_at_once() -> None:
    """Or two with the same name would end each other as fast as they can; the other one waits on."""
    topology, door, registered = shipped_topology(), cast(Any, Mine()), asyncio.Event()
    parts = FakeRegistry(), FakeInbox(), FakeHeads((0, 0, 0, 0)), FakePresence(hook=registered.set), FakeLease()
    stores = Stores(*cast(Any, parts))
    waits = Waits(Sessions(topology.lane_names()), stores, 10)
    pull = Pull(Edge(), topology, stores, door, door, lambda: float(NOW), waits, Load())
    async with TestClient(TestServer(api([pull.routes()]))) as client:

        async def wait() -> float:
            query = {"cursor": CURSOR, "wait": "20"}
            async with client.get("/v1/devices/tv/notifications", params=query) as response:
                return float((await response.json())["poll_after"])

        first = asyncio.create_task(wait())
        await asyncio.wait_for(registered.wait(), 10)
        second = asyncio.create_task(wait())
        assert await asyncio.wait_for(first, 10) >= 0.8 * POLL_AFTER_S
        assert not second.done()
        waits.drain()
        assert 0 < await asyncio.wait_for(second, 10) < 10
