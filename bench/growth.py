"""`make bench-growth`: how the cost of an event grows with accounts, devices, partitions, lanes and remembered keys.

The pipeline of `make bench-pipeline`, measured at several sizes of one thing while everything else stays; CPU of all
processes of lockstep, us an event, by size. For partitions each size is a system of its own. `keys` is the cost of
judging an event by the table `seen`, ns, as `make bench-state` measures it. All output is checked. The last line is
JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bench.measure import report
from bench.pipeline import Found, Sizes, alone
from bench.plan import HOUSES, PATHS
from bench.state.__main__ import Scene
from bench.system import Lockstep, lockstep, start
from deploy.local.config import Endpoints
from deploy.local.servers import local_servers

ACCOUNTS: Final = (100, 1000, 10_000)
PARTITIONS: Final = (8, 16, 32)
KEYS: Final = (100_000, 1_000_000, 10_000_000)
_DATABASE: Final = 1  # of Redis, for the first system

Curve = Mapping[int, float]


class Growth(NamedTuple):
    """By what grows, and by its size, the cost; and how much of all that was put out was wrong."""

    curves: Mapping[str, Curve]
    wrong: int


def curve(found: Mapping[int, Found]) -> Curve:
    """The cost of an event by size, us."""
    return {size: each.cpu_us_per_event for size, each in found.items()}


async def on_one(system: Lockstep, sizes: Sizes, directory: Path) -> dict[str, dict[int, Found]]:
    """What one system shows: accounts, devices of an account, lanes."""

    async def at(mix: str, accounts: int = sizes.accounts) -> Found:
        found = await alone(system, mix, sizes.events, sizes._replace(accounts=accounts), directory)
        print(f"{mix}, {accounts} accounts: {found.cpu_us_per_event:.1f} us, wrong: {found.wrong}", flush=True)
        return found

    return {
        "accounts": {accounts: await at("one", accounts) for accounts in ACCOUNTS},
        "devices": {devices: await at(mix) for devices, mix in HOUSES.items()},
        "lanes": {lanes: await at(mix) for lanes, mix in PATHS.items()},
    }


def partitioned(servers: Endpoints, sizes: Sizes, home: Path) -> dict[int, Found]:
    """Systems whose topics have so many partitions."""
    found = {}
    for turn, partitions in enumerate(PARTITIONS):
        directory = home / f"partitions-{partitions}"
        with lockstep(servers, directory, _DATABASE + 1 + turn, partitions=partitions) as system:
            start(system)
            found[partitions] = asyncio.run(alone(system, "one", sizes.events, sizes, directory))
        cost, wrong = found[partitions].cpu_us_per_event, found[partitions].wrong
        print(f"{partitions} partitions: {cost:.1f} us, wrong: {wrong}", flush=True)
    return found


def measure(servers: Endpoints, sizes: Sizes, keys: tuple[int, ...], home: Path) -> Growth:
    """All curves."""
    with lockstep(servers, home / "one", _DATABASE) as system:
        start(system)
        found = asyncio.run(on_one(system, sizes, home))
    found["partitions"] = partitioned(servers, sizes, home)
    scene = Scene(servers.kafka, "growth.")
    tables = {size: scene.one("seen", size) for size in keys}
    wrong = sum(each.wrong for of in found.values() for each in of.values())
    curves = {what: curve(of) for what, of in found.items()}
    curves["keys"] = {size: figures["mixed_ns"] for size, figures in tables.items()}
    return Growth(curves, wrong + sum(int(figures["wrong"]) for figures in tables.values()))


def main() -> int:
    """Boot all servers, measure, print one line of JSON; 1 where something was wrong."""
    sizes = Sizes(int(os.environ.get("EVENTS", "40000")), 0, 1000)
    with local_servers() as running, tempfile.TemporaryDirectory(prefix="lockstep-bench-") as home:
        growth = measure(running.endpoints, sizes, KEYS, Path(home))
    return report({**growth.curves, "wrong": growth.wrong})


if __name__ == "__main__":
    sys.exit(main())
