"""Every interleaving of a few asynchronous actors: each waits at gates, and a schedule says whose gate opens next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

#: Turns of the loop after which actors that neither wait at a gate nor end are held to be stuck.
_TURNS = 200


class Stuck(Exception):
    """An actor waits for something that is no gate."""


class Schedule:
    """One run: the first choices are given; after them always the first, or a random one."""

    def __init__(self, given: list[int], chance: random.Random | None = None) -> None:
        self.choices: list[tuple[int, int]] = []  # what was chosen, of how many
        self.trace: list[str] = []
        self._given = given
        self._chance = chance
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def start(self, actor: str, work: Coroutine[Any, Any, Any]) -> None:
        """Have an actor do this; one thing at a time."""
        self._tasks[actor] = asyncio.create_task(work, name=actor)

    def busy(self, actor: str) -> bool:
        """Whether the actor is at work."""
        return actor in self._tasks and not self._tasks[actor].done()

    async def gate(self, actor: str, what: str) -> None:
        """Wait until the schedule lets the actor go on to do `what`."""
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[f"{actor}: {what}"] = opened
        await opened

    def choose(self, options: int) -> int:
        """One of so many."""
        place = len(self.choices)
        if self._chance is not None:
            chosen = self._chance.randrange(options)
        else:
            chosen = self._given[place] if place < len(self._given) else 0
        self.choices.append((chosen, options))
        return chosen

    async def run(self) -> None:
        """Open gates until every actor is done. Raises what an actor raised."""
        while await self._settle():
            names = sorted(self._waiting)
            name = names[self.choose(len(names))]
            self.trace.append(name)
            self._waiting.pop(name).set_result(None)
        for task in self._tasks.values():
            task.result()

    async def _settle(self) -> bool:
        """Wait until every actor is done or at its gate; whether one is at a gate."""
        for _ in range(_TURNS):
            if len(self._waiting) == sum(not task.done() for task in self._tasks.values()):
                return bool(self._waiting)
            await asyncio.sleep(0)
        raise Stuck(f"{self.trace}, then {[name for name in self._tasks if self.busy(name)]}")


async def explore(play: Callable[[Schedule], Awaitable[None]]) -> int:
    """Play every schedule; how many there are."""
    count = 0
    for schedule in _all():
        await play(schedule)
        count += 1
    return count


async def sample(play: Callable[[Schedule], Awaitable[None]], seeds: range) -> None:
    """Play random schedules, where there are too many to play all."""
    for seed in seeds:
        await play(Schedule([], random.Random(seed)))


def _all() -> Iterator[Schedule]:
    given: list[int] | None = []
    while given is not None:
        schedule = Schedule(given)
        yield schedule
        given = _next(schedule.choices)


def _next(choices: list[tuple[int, int]]) -> list[int] | None:
    """The choices of the next run, None behind the last."""
    for place in range(len(choices) - 1, -1, -1):
        chosen, options = choices[place]
        if chosen + 1 < options:
            return [c for c, _ in choices[:place]] + [chosen + 1]
    return None
