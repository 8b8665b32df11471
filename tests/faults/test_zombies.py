"""Routers and lane workers freeze for longer than their session, and go on as if nothing had happened: zombies."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from functools import partial
from typing import Final

from deploy.local.pipeline import Member
from tests.e2e.run import run_load
from tests.e2e.system import System
from tests.faults.conftest import Accept
from tests.faults.positions import check

SEED: Final = int(os.environ.get("LOCKSTEP_CHAOS_SEED", "3"))
EVENTS: Final = int(os.environ.get("LOCKSTEP_ZOMBIE_EVENTS", "12000"))
RATE: Final = 800.0
SESSION: Final = 6.0  # seconds, as the systems of these tests have it
#: Groups with two members each, so that another takes over what a frozen one had.
GROUPS: Final = ("router", "normal")


def nap(chance: random.Random, events: int) -> tuple[int, int]:
    """The numbers of the events at which a member freezes and goes on, its session being over meanwhile."""
    length = int(chance.uniform(SESSION + 0.5, SESSION + 3) * RATE)
    start = chance.randrange(events // 10, max(events // 10 + 1, events - length))
    return start, min(start + length, events - 1)


def naps(members: list[Member], events: int) -> dict[int, Callable[[], None]]:
    """Each member freezes at random, about once in 20 s of the load, never twice at a time."""
    chance = random.Random(SEED)
    share = int(20 * RATE)
    actions: dict[int, Callable[[], None]] = {}

    def at(number: int, act: Callable[[], None]) -> None:
        while number in actions:
            number -= 1
        actions[number] = act

    for begin in range(0, events, share):
        for member in members:
            start, end = nap(chance, min(share, events - begin))
            at(begin + start, partial(member.signal, signal.SIGSTOP))
            at(begin + end, partial(member.signal, signal.SIGCONT))
    return actions


async def test_zombies_lose_nothing_and_repeat_nothing(system: System, accept: Accept) -> None:
    """Every stage takes each event once, in order; devices show each once; and no process had to be started again."""
    members = list(system.start().values())
    second = [system.pipeline.worker(name) for name in GROUPS]
    system.pipeline.wait_ready(second)
    sleepers = [*(member for member in members if member.name in GROUPS), *second]
    actions = naps(sleepers, EVENTS)
    result = await run_load(system, actions, RATE, events=EVENTS)
    copies = check(system)
    assert all(member.alive for member in system.pipeline.members)
    zombies = len(actions) // 2
    accept(result.verdict, f"{zombies} zombies (seed {SEED}), {copies} copies dropped", zombies)
