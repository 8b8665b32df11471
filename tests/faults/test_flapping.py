"""Devices that connect and drop at random while events flow: nothing is skipped, nothing is visible twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e.fleet import Fleet, stay_online
from tests.e2e.pace import Pace
from tests.e2e.run import course
from tests.e2e.system import System
from tests.faults.conftest import Accept

EVENTS = int(os.environ.get("LOCKSTEP_FLAPPING_EVENTS", "15000"))
RATE = 1000.0
#: Televisions that are on their way off and on at a time; drops and polls that must have been before it counts.
HANDS = 8
DROPS = 40
POLLS = 20
DEADLINE = 120.0
SEED = int(os.environ.get("LOCKSTEP_CHAOS_SEED", "3"))


class Flapping:
    """Drops and polls by chance, until it is over."""

    def __init__(self, fleet: Fleet) -> None:
        self.drops = self.polls = 0
        self._fleet = fleet
        self._chance = random.Random(SEED)
        self._busy: set[int] = set()
        self._enough = asyncio.Event()

    async def run(self) -> None:
        """Many at once: a socket takes its time to end."""
        await asyncio.gather(*(self._drops() for _ in range(HANDS)), self._polls())

    async def enough(self) -> None:
        """Wait until it has been worth it."""
        async with asyncio.timeout(DEADLINE):
            await self._enough.wait()

    async def _drops(self) -> None:
        tasks = self._fleet.tasks
        while True:
            await asyncio.sleep(self._chance.uniform(0, 0.2))
            number = self._chance.choice([n for n in range(len(tasks)) if n not in self._busy])
            self._busy.add(number)
            tasks[number].cancel()
            try:
                await asyncio.gather(tasks[number], return_exceptions=True)
            finally:
                tasks[number] = asyncio.create_task(stay_online(self._fleet.televisions[number]))
            self._busy.discard(number)
            self.drops += 1
            self._note()

    async def _polls(self) -> None:
        """A phone after the other reads a page of a few."""
        while True:
            await asyncio.sleep(self._chance.uniform(0, 0.1))
            phone = self._chance.choice(self._fleet.phones)
            phone.show((await phone.client.pull(self._chance.randrange(1, 20))).items)
            self.polls += 1
            self._note()

    def _note(self) -> None:
        if self.drops >= DROPS and self.polls >= POLLS:
            self._enough.set()


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


async def test_devices_that_come_and_go(system: System, accept: Accept) -> None:
    """On real stores, a hundred accounts: televisions flap, phones poll in between."""
    await asyncio.to_thread(system.start)
    async with course(system) as load:
        async with flapping(load.fleet) as made:
            published = await load.publish(EVENTS, Pace(RATE))
            await made.enough()
        verdict = await load.judge(published)
    what = f"{made.drops} drops, {made.polls} polls (seed {SEED}), {load.fleet.repeats()} repeats that were hidden"
    accept(verdict, what, made.drops)
