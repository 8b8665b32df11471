"""Devices that connect and drop at random while events flow: nothing is skipped, nothing is visible twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.e2e.fleet import Fleet, stay_online
from tests.e2e.pace import Pace
from tests.e2e.run import course
from tests.e2e.system import System

EVENTS = int(os.environ.get("EVENTS", "15000"))
RATE = 1000.0
#: Devices that drop their connection a second, and poll a second.
FLAPS = 50
SEED = int(os.environ.get("SEED", "1"))


class Flapping:
    """Drops and polls by chance, until it is over."""

    def __init__(self, fleet: Fleet) -> None:
        self.drops = self.polls = 0
        self._fleet = fleet
        self._chance = random.Random(SEED)

    async def run(self) -> None:
        """A drop and a poll after the other."""
        while True:
            await asyncio.sleep(self._chance.uniform(0, 2 / FLAPS))
            await self._drop(self._chance.randrange(len(self._fleet.tasks)))
            await self._poll(self._chance.randrange(len(self._fleet.phones)))

    async def _drop(self, number: int) -> None:
        """The television's socket ends in mid-air, and another one begins at once."""
        self._fleet.tasks[number].cancel()
        await asyncio.gather(self._fleet.tasks[number], return_exceptions=True)
        self._fleet.tasks[number] = asyncio.create_task(stay_online(self._fleet.televisions[number]))
        self.drops += 1

    async def _poll(self, number: int) -> None:
        """A phone reads a page of a few."""
        phone = self._fleet.phones[number]
        phone.show((await phone.client.pull(self._chance.randrange(1, 20))).items)
        self.polls += 1


@asynccontextmanager
async def flapping(fleet: Fleet) -> AsyncIterator[Flapping]:
    """In the background."""
    made = Flapping(fleet)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        (end,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(end, asyncio.CancelledError), end


async def test_devices_that_come_and_go(system: System, tell: Callable[[str], None]) -> None:
    """On real stores, a hundred accounts: televisions flap, phones poll in between."""
    await asyncio.to_thread(system.start)
    async with course(system) as load:
        async with flapping(load.fleet) as made:
            published = await load.publish(EVENTS, Pace(RATE))
        verdict = await load.judge(published)
    assert verdict.good, f"seed {SEED}: {verdict}"
    assert made.drops > EVENTS / RATE
    tell(f"{EVENTS} events, {made.drops} drops, {made.polls} polls, {load.fleet.repeats()} repeats that were hidden")
