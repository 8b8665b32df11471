"""`make bench-herd`: a gateway is killed, and all its devices come back to the others at once.

Four real gateways hold the sockets of many devices, which are processes of their own and do as the page for devices
says. Events for all of them go on meanwhile: each is a row of the inbox, a head, and a push to where Redis says that
the device is, as `store` and `push` do it. One gateway gets SIGKILL. When all devices are live again and some seconds
have passed, every event must have been shown once and in order, by the devices that were away too. The last line is
JSON.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from bench.child import Child
from bench.herd.feed import LANE, Feed, open_stores
from bench.judge import Arrivals, wrong_arrivals
from bench.measure import report
from bench.plan import Load
from bench.program import launch
from bench.runs import PATIENCE, Incomplete
from bench.system import Lockstep, lockstep
from bench.weights import stand_back
from deploy.local.pipeline import Member
from deploy.local.ports import free_ports
from deploy.local.servers import local_servers
from sinks import cassandra
from sinks.cassandra import Cassandra

GATEWAYS: Final = 4
#: Most devices of a process, which may have 20,000 files open. Those of the gateway that is killed have their own.
MOST: Final = 15_000
#: By how much these stand back: the herd's process, whose devices would be as many machines; Cassandra, which has
#: others. Without it a push waits for a core, not for a gateway.
BACK: Final = 15
#: Longest time that may pass until all are back, s.
BACK_S: Final = 180.0
HOST: Final = "127.0.0.1"
_READS: Final = "SELECT count FROM system_views.local_read_latency WHERE keyspace_name = %s AND table_name = 'inbox'"
_LOOK_S: Final = 0.1


class Sizes(NamedTuple):
    """How many devices in how many processes, events a second, and s of them before the kill and after the return."""

    devices: int
    processes: int
    rate: float
    before: float
    after: float


class Gateways(NamedTuple):
    """Running, and where devices reach each."""

    members: Sequence[Member]
    places: Sequence[tuple[str, int]]


class Seen(NamedTuple):
    """What all devices saw: arrivals, when connections were accepted, and device and moment of each return."""

    arrivals: Arrivals
    accepts: Any
    returns: Any


class Drill(NamedTuple):
    """What happened, in monotonic ns; reads of the inbox between the kill and the last return."""

    load: Load
    handed_over: Any  # of each event
    killed: int
    reads: int
    seen: Seen


def start(system: Lockstep, count: int) -> Gateways:
    """Gateways of one lockstep, one after the other; they are ready."""
    members, places = [], []
    for _ in range(count):
        port, push_port = free_ports(2)
        ports = {"LOCKSTEP_EDGE__PORT": str(port), "LOCKSTEP_EDGE__PUSH_PORT": str(push_port)}
        members.append(system.pipeline.edge(**ports))
        system.pipeline.wait_ready(members[-1:])
        places.append((HOST, port))
    return Gateways(members, places)


async def drill(system: Lockstep, gateways: Gateways, sizes: Sizes, directory: Path) -> Drill:
    """Kill the first gateway while events go on. Raises Incomplete."""
    load = Load(LANE, f"herd{uuid.uuid4().hex[:6]}", sizes.devices, 0, 0)
    await system.register(load)
    await system.know_heads(load)
    with ExitStack() as stack:
        herd = stack.enter_context(Child("bench.herd.flock", nice=BACK))
        flocks = [herd, *(stack.enter_context(Child("bench.herd.flock")) for _ in range(sizes.processes - 1))]
        order = {"do": "gather", "places": gateways.places, "keys": system.way.keys, "load": load}
        await asyncio.gather(*(
            asyncio.to_thread(flock.ask, **order, part=part, parts=len(flocks)) for part, flock in enumerate(flocks)
        ))  # fmt: skip
        async with open_stores(system.settings, system.topology) as stores, cassandra.connect(system.settings) as disk:
            feed = Feed(stores, load, system.topology.lane_names().index(LANE), sizes.rate)
            feeding = asyncio.create_task(feed.run())
            await asyncio.sleep(sizes.before)
            reads, killed = await reads_of_inbox(disk), time.monotonic_ns()
            gateways.members[0].kill()
            await back(flocks, sizes.devices, len(gateways.places))
            reads = await reads_of_inbox(disk) - reads
            await asyncio.sleep(sizes.after)
            feed.end()
            await feeding
        await shown(flocks, feed.load.stop)
        return Drill(feed.load, np.array(feed.handed_over), killed, reads, await collect(flocks, directory))


async def reads_of_inbox(disk: Cassandra) -> int:
    """Reads of the inbox that Cassandra has counted so far. Raises CassandraUnavailable."""
    return int((await disk.execute(_READS, (disk.session.keyspace,)))[0][0])


async def counts(flocks: Sequence[Child]) -> Mapping[str, int]:
    """What the devices of all processes count, together."""
    each = await asyncio.gather(*(asyncio.to_thread(flock.ask, do="count") for flock in flocks))
    return {name: sum(of[name] for of in each) for name in each[0]}


async def back(flocks: Sequence[Child], devices: int, gateways: int) -> None:
    """Wait until those of one gateway have lost it, and all are live. Raises Incomplete."""
    deadline = time.monotonic() + BACK_S
    victims = len(range(0, devices, gateways))
    while (now := await counts(flocks))["lost"] < victims or now["live"] < devices:
        if time.monotonic() > deadline:
            raise Incomplete(f"after {BACK_S:g} s {now['live']} of {devices} devices are live")
        await asyncio.sleep(_LOOK_S)


async def shown(flocks: Sequence[Child], events: int) -> None:
    """Wait until as many events are shown as there were, or nothing more comes; the judge knows which are missing."""
    last, moved = -1, time.monotonic()
    while (now := (await counts(flocks))["shown"]) < events and time.monotonic() - moved < PATIENCE:
        if now != last:
            last, moved = now, time.monotonic()
        await asyncio.sleep(_LOOK_S)


async def collect(flocks: Sequence[Child], directory: Path) -> Seen:
    """What all processes have noted."""
    parts = []
    for number, flock in enumerate(flocks):
        path = directory / f"flock-{number}.npz"
        await asyncio.to_thread(flock.ask, do="save", path=str(path))
        with np.load(path) as saved:
            parts.append({name: saved[name] for name in saved.files})
    arrivals = np.concatenate([part["arrivals"] for part in parts], axis=1)
    accepts, returns = (np.concatenate([part[name] for part in parts]) for name in ("accepts", "returns"))
    return Seen(Arrivals(*arrivals), accepts, returns)


def figures(drill: Drill, gateways: int) -> dict[str, Any]:
    """The last line."""
    devices, times = drill.seen.returns.T
    returned = times > drill.killed
    last = int(times[returned].max())
    return {
        "devices": drill.load.accounts,
        "all_back_s": round((last - drill.killed) / 1e9, 2),
        "peak_accepts_per_s": peak_per_s(drill.seen.accepts[drill.seen.accepts > drill.killed]),
        "push_p99_ms_others": round(others_p99_ms(drill, gateways, last), 2),
        "inbox_reads_per_device": round(drill.reads / len(np.unique(devices[returned])), 2),
        "lost": wrong_arrivals(drill.load, drill.seen.arrivals),
    }


def peak_per_s(moments: Any) -> int:
    """Most moments (ns) that lie within one second."""
    ordered = np.sort(moments)
    return int((np.searchsorted(ordered, ordered + 1_000_000_000) - np.arange(len(ordered))).max())


def others_p99_ms(drill: Drill, gateways: int, until: int) -> float:
    """p99 from `push` to the device, of events handed over while the herd was away, to devices whose gateway lives."""
    accounts, _, numbers, times = drill.seen.arrivals
    handed_over = drill.handed_over[numbers]
    of_others = (accounts % gateways != 0) & (handed_over > drill.killed) & (handed_over < until)
    took = (times - handed_over)[of_others]
    if not len(took):
        raise Incomplete("no event was pushed while the devices were away")
    return float(np.percentile(took, 99)) / 1e6


def main() -> int:
    """Boot all servers, drill, print one line of JSON; 1 where something was lost."""
    devices = int(os.environ.get("DEVICES", "20000"))
    logging.getLogger("sinks.posts").setLevel(logging.ERROR)  # the dead gateway takes no push, as is meant
    others = devices - devices // GATEWAYS
    sizes = Sizes(devices, 1 + -(-others // MOST), float(os.environ.get("RATE", "500")), 5.0, 5.0)
    with local_servers() as running, tempfile.TemporaryDirectory(prefix="lockstep-bench-") as home:
        directory = Path(home)
        stand_back(running.pid("cassandra"), BACK)
        with lockstep(running.endpoints, directory / "lockstep") as system:
            found = asyncio.run(drill(system, start(system, GATEWAYS), sizes, directory))
    return report(figures(found, GATEWAYS), "lost")


if __name__ == "__main__":
    launch(main)
