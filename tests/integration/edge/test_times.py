"""Pulls over days, from an edge whose clock is the test's, on real stores."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from lockstep_client import DeviceClient, Refused

from edge.auth.access import Access
from edge.auth.tokens import Verifier
from edge.load import Load
from edge.protocol import Sessions
from edge.pull.endpoint import Pull
from edge.pull.waits import Waits
from edge.server import api
from edge.stores import Stores
from tests.integration.edge.conftest import House
from tests.integration.edge.test_polls import numbers

DAY = 86_400


@asynccontextmanager
async def at_times(house: House, clock: list[float]) -> AsyncIterator[DeviceClient]:
    """A television that pulls from an edge whose time is `clock[0]`, on the house's stores."""
    unused: Any = None
    stores = Stores(house.registry, house.inbox, house.heads, unused, unused)
    access = Access(Verifier(house.settings.tokens), time.time)
    waits = Waits(Sessions(house.topology.lane_names()), stores, 0)
    told: Any = _Silent()
    pull = Pull(house.settings.edge, house.topology, stores, access, told, lambda: clock[0], waits, Load())
    async with TestServer(api([pull.routes()])) as server:
        client = DeviceClient(str(server.make_url("")), "tv-1", house.token("tv-1"))
        async with client:
            yield client


class _Silent:
    """Reports that nobody reads."""

    def presented(self, *said: object) -> None:
        """Nothing."""


async def test_a_stopped_lane_loses_nothing_across_midnight(house: House) -> None:
    """The others go on for minutes and the day changes; what the lane then brings, below their numbers, is pulled."""
    midnight = (time.time() // DAY + 1) * DAY
    clock = [midnight - 290.0]
    expected: list[int] = []
    async with at_times(house, clock) as tv:
        got: list[int] = []
        for minute in range(10):
            numbers_now = [1000 + 10 * minute, 1001 + 10 * minute]
            await house.store(minute % 2 * 2, *numbers_now)
            expected += numbers_now
            got += numbers(await tv.pull())
            clock[0] += 60
        assert clock[0] > midnight + 200
        assert got == expected
        await house.store(1, 5, 6, 7)
        assert numbers(await tv.pull()) == [5, 6, 7]
        assert numbers(await tv.pull()) == []
        assert tv.seen.repeats == 0
        clock[0] += 8 * DAY
        with pytest.raises(Refused, match="410"):
            await tv.pull()


async def test_a_device_that_stops_in_a_backlog_is_told_of_what_ended_meanwhile(house: House) -> None:
    """Neither the page nor the item that it stopped at is as of then; the end of the backlog is."""
    clock = [time.time()]
    async with at_times(house, clock) as tv, at_times(house, clock) as other:
        for each in (tv, other):
            assert numbers(await each.pull()) == []
        await house.store(1, 5, 6, 7)
        clock[0] += 5 * DAY
        first = await tv.pull(limit=2)
        assert (numbers(first), first.more) == ([5, 6], True)
        assert numbers(await other.pull()) == [5, 6, 7]
        clock[0] += DAY
        assert numbers(await tv.pull(limit=1)) == [7]
        tv.cursor = first.items[0]["cursor"]
        clock[0] += 2 * DAY
        with pytest.raises(Refused, match="410"):
            await tv.pull()
        assert numbers(await other.pull()) == []
