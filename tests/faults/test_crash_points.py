"""kill -9 at each named point under load, restart, drain: nothing lost, nothing visible twice, nothing unexplained."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.run import course
from tests.e2e.system import System
from tests.faults.conftest import Accept
from tests.faults.points import ROWS, Crash, one_by_one
from tests.faults.sweep import Members, crash

#: Events published while one crash happens; a short sweep has as many for a row of crashes.
EVENTS_PER_POINT = int(os.environ.get("EVENTS_PER_POINT", "3000"))
WHOLE = EVENTS_PER_POINT >= 100_000
RATE = 4000.0 if WHOLE else 1500.0

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(running: System) -> AsyncIterator[Members]:
    """A system that runs, with devices on it."""
    async with course(running) as made:
        yield Members(made, {member.name: member for member in running.pipeline.members})


@pytest.mark.parametrize("crashes", one_by_one() if WHOLE else ROWS, ids=lambda row: " ".join(map(str, row)))
async def test_nothing_is_lost_by_a_crash(
    members: Members,
    crashes: tuple[Crash, ...],
    accept: Accept,
) -> None:
    """Wherever a process dies: every event is shown once and has its outcome."""
    verdict = await crash(members, crashes, EVENTS_PER_POINT, RATE)
    accept(verdict, " ".join(map(str, crashes)), len(crashes))
