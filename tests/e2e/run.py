"""Runs a load through a system while something happens to it, and has the oracle judge what came out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e.audited import settled
from tests.e2e.fleet import Fleet, accounts, by_account
from tests.e2e.load import Verdict, judge_outcomes, judge_visible, plan, publish
from tests.e2e.pace import Pace
from tests.e2e.system import System

ACCOUNTS = 100
EVENTS = int(os.environ.get("EVENTS", "100000"))
#: Seconds without any progress after which what is missing counts as lost.
PATIENCE = 60.0


@dataclass
class Result:
    """The oracle's verdict, and the repeats on the wire that devices hid."""

    verdict: Verdict
    repeats: int
    audit: dict[str, Any]  # what `lockstep audit` says of the run


async def run_load(
    system: System, actions: Mapping[int, Callable[[], object]], rate: float, events: int = EVENTS
) -> Result:
    """Publish `events` at `rate` per second, doing each action when its number is due; wait until all is delivered."""
    keys = system.pipeline.directory / "keys" / "private.jwk"
    async with Fleet(system.url, keys, list(accounts(ACCOUNTS))) as fleet:
        pace = Pace(rate, dict(actions))
        topic = system.topic("ingest")
        published = await asyncio.to_thread(publish, system.kafka, topic, range(events), ACCOUNTS, pace)
        assert not published.failed
        good = sum(plan(number, ACCOUNTS).kind == "good" for number in range(events))
        await _settle(fleet.shown, good)
        await fleet.pull_all()
        verdict = Verdict(events=events)
        judge_visible(verdict, published, ACCOUNTS, "tv", by_account(fleet.televisions))
        judge_visible(verdict, published, ACCOUNTS, "phone", by_account(fleet.phones))
        for tv in fleet.televisions:
            await tv.client.ack()
        await _outcomes_in(system, verdict, lambda found: judge_outcomes(
            found, published, ACCOUNTS, ("tv", "phone"), system.outcomes()))  # fmt: skip
        return Result(verdict, fleet.repeats(), await asyncio.to_thread(settled, system))


async def _settle(shown: Callable[[], int], expected: int) -> None:
    """Wait until so many events are shown, or nothing moves any more."""
    last, still = -1, 0.0
    while shown() < expected and still < PATIENCE:
        last, still = (shown(), 0.0) if shown() != last else (last, still + 0.25)
        await asyncio.sleep(0.25)


async def _outcomes_in(system: System, verdict: Verdict, judge: Callable[[Verdict], None]) -> None:
    """Judge the outcomes until they are whole: the edge reports acks a moment after it answers them."""
    for _ in range(20):
        found = Verdict()
        await asyncio.to_thread(judge, found)
        verdict.without_outcome = found.without_outcome
        if not found.without_outcome:
            return
        await asyncio.sleep(0.5)
