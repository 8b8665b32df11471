"""`make bench-edge`: what a gateway takes to hold devices, be polled and push, beside gateways on other libraries.

Lockstep's edge and gateways on aiohttp, websockets and picows each hold as many sockets of devices that said hello,
which are processes of their own. Memory is what the gateway's process grew by. Runs take turns: polls with nothing new
at a steady rate, before the sockets of those that cannot be polled are there, since devices of all share a core; then
pushes to one device after the other through the internal port. CPU is that of the gateway's
process, alone on its core. Every device must have been shown every push once and in order, and every poll answered 304;
all else is wrong. Lines before the last say what each gateway took; the last is JSON, on lockstep's.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.child import Child
from bench.edge.holders import LOCKSTEP, MADE, PEERS, Holder, edge, peers
from bench.edge.sites import Figures, Polls, Sockets, warm
from bench.measure import interleaved, medians, on, report, split
from bench.plan import Load
from bench.program import launch
from bench.system import Lockstep, lockstep, start
from bench.weights import stand_back
from deploy.local.servers import local_servers

CORES: Final = split()
#: Ten thousand sockets that answer pings on the core of those who poll would be measured with the polls, and so would
#: what Cassandra and Kafka do once a second.
BACK: Final = 15


class Sizes(NamedTuple):
    """How much is done."""

    connections: int
    polls: int  # of each run
    pushes: int  # of each run
    runs: int


class Found(NamedTuple):
    """What each gateway gave, by name, and what was wrong with all of them."""

    idle: Mapping[str, float]  # KiB a connection
    polls: Mapping[str, Figures]
    pushes: Mapping[str, Figures]
    wrong: int


async def prepare(system: Lockstep, load: Load) -> Holder:
    """Make the devices known to lockstep, and the heads of their accounts; its edge."""
    for part in (warm(load), load):
        await system.register(part)
        await system.know_heads(part)
    return await edge(system)


def measure(system: Lockstep, others: Sequence[Holder], sizes: Sizes, directory: Path) -> Found:
    """All figures, of an edge and of gateways that run."""
    load = Load("critical", f"edge{uuid.uuid4().hex[:6]}", sizes.connections, 0, 0)
    ours = asyncio.run(prepare(system, load))
    keys = system.way.keys
    with ExitStack() as stack, on(CORES.servers):
        sockets: dict[str, Sockets] = {}
        polls: dict[str, Polls] = {}
        for holder in (ours, *others):
            crowd = stack.enter_context(Child("bench.crowd", nice=BACK))
            sockets[holder.name] = Sockets(holder, load, crowd, directory)
            if holder.polls:
                askers = stack.enter_context(Child("bench.edge.polls"))
                polls[holder.name] = Polls(holder, load.names(), askers, directory)
        runs = 1 + sizes.runs
        idle = {name: sockets[name].fill(keys) for name in polls}
        polled = interleaved({name: partial(site.poll, keys, sizes.polls) for name, site in polls.items()}, runs)
        idle |= {name: site.fill(keys) for name, site in sockets.items() if name not in idle}
        pushed = interleaved({name: partial(site.push, sizes.pushes) for name, site in sockets.items()}, runs)
        wrong = sum(site.wrong for site in polls.values()) + sum(site.judge() for site in sockets.values())
    return Found(idle, settled(polled), settled(pushed), wrong)


def settled(runs: Mapping[str, Sequence[Figures]]) -> dict[str, Figures]:
    """The medians, without the first run of each."""
    return {name: medians(of[1:]) for name, of in runs.items()}


def say(found: Found) -> None:
    """A line for each gateway."""
    for name, kib in found.idle.items():
        line = f"{name}: {kib:.2f} KiB a connection, {found.pushes[name]['per_cpu_s']:,.0f} pushes per CPU second"
        if name in found.polls:
            line += f", {found.polls[name]['cpu_us']:.1f} us and p99 {found.polls[name]['p99_ms']:.2f} ms a poll"
        print(line)


def figures(found: Found) -> dict[str, Any]:
    """The last line."""
    polls, pushes = found.polls[LOCKSTEP], found.pushes[LOCKSTEP]
    return {
        "idle_kib_per_connection": round(found.idle[LOCKSTEP], 2),
        "poll_cpu_us": round(polls["cpu_us"], 1),
        "poll_p99_ms": round(polls["p99_ms"], 2),
        "polls_per_s": round(polls["per_s"]),
        "pushes_per_s": round(pushes["per_s"]),
        "pushes_per_cpu_s": round(pushes["per_cpu_s"]),
        "wrong": found.wrong,
    }


def main() -> int:
    """Boot all servers, measure, print one line of JSON; 1 where something was wrong."""
    sizes = Sizes(
        int(os.environ.get("CONNECTIONS", "10000")),
        int(os.environ.get("POLLS", "20000")),
        int(os.environ.get("PUSHES", "100000")),
        3,
    )
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockstep-bench-")))
        with on(CORES.servers):
            running = stack.enter_context(local_servers())
            system = stack.enter_context(lockstep(running.endpoints, directory / "lockstep"))
        with on(CORES.measured):
            start(system, ["edge"])
        others = stack.enter_context(peers(list(PEERS), str(MADE), system.settings, directory))
        for name in ("cassandra", "kafka"):
            stand_back(running.pid(name), BACK)
        found = measure(system, others, sizes, directory)
    say(found)
    return report(figures(found))


if __name__ == "__main__":
    launch(main)
