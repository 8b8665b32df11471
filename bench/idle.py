"""`make bench-idle`: what workers cost that have little to do: none at all, then 100 events a second in one lane.

A lockstep as shipped, on real servers. First nothing happens for a while; then a steady load comes in one lane, to
televisions that are online, so that nearly every batch is one record. Of both the last line says the share of a core
that the busiest worker took: `core_share_idle` of all workers, `core_share_at_100_per_s` of those that the load passes;
lines before it name every process. The load's output is checked.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bench.measure import report, usage
from bench.plan import Load
from bench.program import launch
from bench.runs import Bench
from bench.system import Lockstep, lockstep, start
from deploy.local.servers import local_servers

RATE: Final = 100.0
LANE: Final = "critical"
#: Workers that the load passes.
ON_THE_WAY: Final = ("router", LANE)
EDGE: Final = "edge"


class Sizes(NamedTuple):
    """For how long each part is measured, s, and over how many accounts."""

    idle: float
    load: float
    accounts: int


class Found(NamedTuple):
    """Shares of a core by process, and what was wrong."""

    idle: Mapping[str, float]
    loaded: Mapping[str, float]
    wrong: int


async def measure(system: Lockstep, sizes: Sizes, directory: Path) -> Found:
    """Watch it idle, then under load."""
    load = Load(LANE, f"idle{uuid.uuid4().hex[:6]}", sizes.accounts, 0, 0)
    async with Bench(system, load, directory) as bench:
        await bench.run(sizes.accounts)  # every account and connection is known then
        idle = await watch(system, sizes.idle)
        run = bench.next(int(RATE * sizes.load))
        bench.publish(run, RATE)
        loaded = await watch(system, sizes.load)
        await bench.shown(run)
        return Found(idle, loaded, await bench.wrong())


async def watch(system: Lockstep, seconds: float) -> dict[str, float]:
    """Share of a core that each process takes in the next seconds."""
    pids = system.pids()
    before = {name: usage([pid]) for name, pid in pids.items()}
    await asyncio.sleep(seconds)
    spent = {name: usage([pid]).since(before[name]) for name, pid in pids.items()}
    return {name: round(of.cpu_s / of.wall_s, 4) for name, of in spent.items()}


def figures(found: Found) -> dict[str, object]:
    """The last line."""
    return {
        "core_share_at_100_per_s": max(found.loaded[name] for name in ON_THE_WAY),
        "core_share_idle": max(share for name, share in found.idle.items() if name != EDGE),
        "wrong": found.wrong,
    }


def main() -> int:
    """Boot all servers, measure, print one line of JSON; 1 where something was wrong."""
    seconds = float(os.environ.get("SECONDS", "30"))
    with local_servers() as running, tempfile.TemporaryDirectory(prefix="lockstep-bench-") as home:
        directory = Path(home)
        with lockstep(running.endpoints, directory / "lockstep") as system:
            start(system)
            found = asyncio.run(measure(system, Sizes(seconds, seconds, 100), directory))
    for what, shares in (("idle", found.idle), (f"{RATE:g} events/s", found.loaded)):
        print(f"{what}: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    return report(figures(found))


if __name__ == "__main__":
    launch(main)
