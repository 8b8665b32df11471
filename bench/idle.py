"""`make bench-idle`: what workers cost that have little to do: none at all, then 100 events a second in a lane.

A lockstep as shipped, on real servers. First nothing happens for a while; then a steady load comes in one lane after
the other, to televisions that are online. Where a lane does not linger, nearly every batch is one record. The last line
says the share of a core that the busiest worker took: `core_share_idle` of all workers, `core_share_at_100_per_s` of
those that events of the lane `critical` pass; lines before it name every process and lane. The output is checked.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

from bench.measure import awake, report, say_awake, usage
from bench.plan import LANES, Load
from bench.program import launch
from bench.runs import Bench
from bench.system import Lockstep, lockstep, start
from deploy.local.servers import local_servers

RATE: Final = 100.0
#: The lane of the last line.
URGENT: Final = "critical"
ROUTER: Final = "router"
EDGE: Final = "edge"


class Sizes(NamedTuple):
    """For how long each part is measured, s, and over how many accounts."""

    idle: float
    load: float
    accounts: int


class Found(NamedTuple):
    """Shares of a core by process, at rest and with the load in each lane, and what was wrong."""

    idle: Mapping[str, float]
    loaded: Mapping[str, Mapping[str, float]]
    wrong: int


async def measure(system: Lockstep, sizes: Sizes, directory: Path) -> Found:
    """Watch it idle, then under the load of each lane."""
    async with AsyncExitStack() as stack:
        benches: dict[str, Bench] = {}
        for lane in LANES:
            load = Load(lane, f"{lane}{uuid.uuid4().hex[:6]}", sizes.accounts, 0, 0)
            benches[lane] = await stack.enter_async_context(Bench(system, load, directory))
            await benches[lane].run(sizes.accounts)  # every account and connection is known then
        idle = await watch(system, sizes.idle)
        loaded = {lane: await loaded_share(system, bench, sizes.load) for lane, bench in benches.items()}
        return Found(idle, loaded, sum([await bench.wrong() for bench in benches.values()]))


async def loaded_share(system: Lockstep, bench: Bench, seconds: float) -> dict[str, float]:
    """Share of a core that each process takes under the load, all of which has arrived in the end."""
    run = bench.next(int(RATE * seconds))
    bench.publish(run, RATE)
    shares = await watch(system, seconds)
    await bench.shown(run)
    return shares


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
        "core_share_at_100_per_s": max(found.loaded[URGENT][name] for name in (ROUTER, URGENT)),
        "core_share_idle": max(share for name, share in found.idle.items() if name != EDGE),
        "wrong": found.wrong,
    }


def main() -> int:
    """Boot all servers, measure, print one line of JSON; 1 where something was wrong."""
    seconds = float(os.environ.get("SECONDS", "30"))
    with local_servers() as running, tempfile.TemporaryDirectory(prefix="lockstep-bench-") as home, awake() as kept:
        say_awake(kept)
        directory = Path(home)
        with lockstep(running.endpoints, directory / "lockstep") as system:
            start(system)
            found = asyncio.run(measure(system, Sizes(seconds, seconds, 100), directory))
    loads = {f"{RATE:g} events/s in {lane}": shares for lane, shares in found.loaded.items()}
    for what, shares in {"idle": found.idle, **loads}.items():
        print(f"{what}: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    return report(figures(found))


if __name__ == "__main__":
    launch(main)
