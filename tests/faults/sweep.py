"""Crashes at failpoints under load: a process dies there, another one takes its place, and nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deploy.local.pipeline import Member, ProcessFailed
from streams.failpoints import VARIABLE
from tests.e2e.oracle import Verdict
from tests.e2e.pace import Pace
from tests.e2e.run import Course
from tests.faults.points import Crash

#: Seconds within which a process must have come to its point once all is published.
PATIENCE: Final = 30.0
_LOOK: Final = 0.02


@dataclass
class Members:
    """The processes of a system by name, the one of each that is in charge."""

    course: Course
    of: dict[str, Member]

    def start(self, name: str, armed: str = "") -> Member:
        """Start a process; another one of its name is not stopped."""
        environment = {VARIABLE: armed} if armed else {}
        pipeline = self.course.system.pipeline
        member = pipeline.edge(**environment) if name == "edge" else pipeline.worker(name, **environment)
        self.of[name] = member
        return member

    async def ready(self, names: Sequence[str]) -> None:
        """Wait until these are ready, or have died."""
        await asyncio.gather(*(asyncio.to_thread(self._wait, self.of[name]) for name in names))

    def _wait(self, member: Member) -> None:
        try:
            self.course.system.pipeline.wait_ready([member])
        except ProcessFailed:
            if member.process.returncode != -signal.SIGKILL:
                raise


async def crash(members: Members, crashes: Sequence[Crash], events: int, rate: float) -> Verdict:
    """Publish `events` while the crashes happen; what the oracle says when all is over."""
    await _arm(members, [each for each in crashes if each.way != "start"])
    middle, over = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    pace = Pace(rate, {events // 4: lambda: loop.call_soon_threadsafe(middle.set)})
    watchers = [asyncio.create_task(_watch(members, each, middle, over)) for each in crashes]
    published = await members.course.publish(events, pace)
    over.set()
    await asyncio.gather(*watchers)
    await members.ready([each.member for each in crashes])
    return await members.course.judge(published)


async def _arm(members: Members, crashes: Sequence[Crash]) -> None:
    """Have processes that will die in the place of those that run."""
    names = [each.member for each in crashes]
    await asyncio.gather(*(asyncio.to_thread(members.of[name].stop) for name in names))
    for each in crashes:
        members.start(each.member, _armed(each))
    await members.ready(names)


def _armed(each: Crash) -> str:
    return f"{each.point}=kill@{each.visit}"


async def _watch(members: Members, each: Crash, middle: asyncio.Event, over: asyncio.Event) -> None:
    """See to it that the process dies where it should, and to its successor."""
    doomed = members.of[each.member]
    if each.way != "work":
        await middle.wait()
    if each.way == "start":
        doomed.kill()
        doomed = members.start(each.member, _armed(each))
    if each.way == "revoke":
        members.start(each.member)
    await _died(doomed, each, over)
    if each.way != "revoke":
        members.start(each.member)


async def _died(doomed: Member, each: Crash, over: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    late: float | None = None
    while doomed.alive:
        if over.is_set():
            late = late or loop.time() + PATIENCE
            assert loop.time() < late, f"{each}: never came to its point:\n{doomed.tail()}"
        await asyncio.sleep(_LOOK)
    word = f"failpoint {each.point}: killed"
    assert doomed.process.returncode == -signal.SIGKILL, f"{each}: ended by itself:\n{doomed.tail()}"
    assert word in doomed.tail(50), f"{each}: killed, and not at its point:\n{doomed.tail()}"
