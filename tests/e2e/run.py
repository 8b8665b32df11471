"""Runs a load through a system while something happens to it, and has the oracle judge what came out."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.audited import settled
from tests.e2e.fleet import Fleet, accounts, by_account
from tests.e2e.load import Published, publish
from tests.e2e.oracle import Ends, Verdict, judge_visible, missing
from tests.e2e.pace import Pace
from tests.e2e.system import System

ACCOUNTS = 100
EVENTS = int(os.environ.get("EVENTS", "100000"))
#: Seconds without any progress after which what is missing counts as lost.
PATIENCE = 60.0
LOOK = 0.25
#: Seconds without progress after which it is worth asking whether all is there.
STILL = 1.0


@dataclass
class Result:
    """The oracle's verdict, and the repeats on the wire that devices hid."""

    verdict: Verdict
    repeats: int
    audit: dict[str, Any]  # what `lockstep audit` says of the run


class Course:
    """A load that goes on from segment to segment; each has a verdict of its own."""

    def __init__(self, system: System, fleet: Fleet) -> None:
        self.system = system
        self.fleet = fleet
        self.published = 0  # events
        self.audit: dict[str, Any] = {}  # what `lockstep audit` says of the segment that was judged last
        self._began = time.time()
        self._ends = Ends()
        self._read: dict[int, int] = {}  # of the topic outcomes

    async def publish(self, events: int, pace: Pace) -> Published:
        """Publish the next events; all are acked."""
        numbers = range(self.published, self.published + events)
        self.published += events
        self._began = time.time()
        topic = self.system.topic("ingest")
        published = await asyncio.to_thread(publish, self.system.kafka, topic, numbers, ACCOUNTS, pace)
        assert not published.failed
        return published

    async def judge(self, published: Published) -> Verdict:
        """Wait until these events are delivered, have the phones read, and say what is wrong."""
        await self._settle(published)
        await self.fleet.pull_all()
        for tv in self.fleet.televisions:
            await tv.client.ack()
        verdict = Verdict(events=len(published.numbers))
        await self._explain(verdict, published)
        for name, devices in (("tv", self.fleet.televisions), ("phone", self.fleet.phones)):
            judge_visible(verdict, published, ACCOUNTS, name, by_account(devices), self._ends)
        self._ends.forget_events()
        await self._audit(verdict)
        return verdict

    async def _audit(self, verdict: Verdict) -> None:
        self.audit = await asyncio.to_thread(settled, self.system, self._began)
        verdict.unaccounted = [str(defect) for defect in self.audit["defects"]]
        if self.audit["events"] != verdict.events:
            verdict.unaccounted.append(f"the audit knows of {self.audit['events']} events")

    async def _settle(self, published: Published) -> None:
        """Wait until the televisions showed all that they must, or nothing moves any more."""
        last, still = -1, 0.0
        while still < PATIENCE:
            shown = self.fleet.shown()
            last, still = (shown, 0.0) if shown != last else (last, still + LOOK)
            if still % STILL < LOOK and still >= STILL:
                await self._read_outcomes()
                if not any(missing(published, ACCOUNTS, by_account(self.fleet.televisions), self._ends)):
                    return
            await asyncio.sleep(LOOK)

    async def _explain(self, verdict: Verdict, published: Published) -> None:
        """Judge the outcomes until they are whole: the edge reports acks a moment after it answers them."""
        for _ in range(20):
            await self._read_outcomes()
            verdict.without_outcome.clear()
            self._ends.judge(verdict, published, ACCOUNTS, ("tv", "phone"))
            if not verdict.without_outcome:
                return
            await asyncio.sleep(0.5)

    async def _read_outcomes(self) -> None:
        await asyncio.to_thread(lambda: self._ends.add(self.system.outcomes(self._read)))


@asynccontextmanager
async def course(system: System) -> AsyncIterator[Course]:
    """A load on a system that is running."""
    keys = system.pipeline.directory / "keys" / "private.jwk"
    async with Fleet(system.url, keys, list(accounts(ACCOUNTS))) as fleet:
        yield Course(system, fleet)


async def run_load(
    system: System, actions: Mapping[int, Callable[[], object]], rate: float, events: int = EVENTS
) -> Result:
    """Publish `events` at `rate` per second, doing each action when its number is due; wait until all is delivered."""
    async with course(system) as made:
        published = await made.publish(events, Pace(rate, dict(actions)))
        verdict = await made.judge(published)
        return Result(verdict, made.fleet.repeats(), made.audit)
