"""`make bench-latency`: how long an event takes from its publication to the socket of a device, at rest and in a flood.

Open loop: every event is due at a moment fixed beforehand, and its latency runs from then, whatever became of those
before it, so no wait is left out. First rates rise, over all lanes in turn, for as long as the machine is busy for less
than 70 % and keeps up. Then critical events come at 500 a second, alone, and again while a backlog of low events drains
at full speed: it was routed while the worker `low` was down. Workers have the CPU weights that their pods would have,
as nice values (`NICE`); Cassandra is set as one that serves, and cores are kept from halting where the machine lets
one. Every event of every load must arrive once, the flood's too. The last line is JSON.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import psutil

from bench.measure import awake, busy, report, say_awake
from bench.plan import LANES, Load
from bench.program import launch
from bench.runs import PATIENCE, Bench, Incomplete, Outcome, latencies_ms
from bench.system import Lockstep, lockstep, start
from deploy.local.config import on_free_ports
from deploy.local.servers import local_servers
from streams.transport.client import watermarks

#: Each step of nice is a fifth less CPU: normal lanes get a third of what critical ones may have, low ones a tenth.
NICE: Final[Mapping[str, int]] = {"high": 1, "normal": 5, "low": 10}
CRITICAL_PER_S: Final = 500.0
BUSIEST: Final = 0.7
#: A rate is kept up if nothing took longer than this, s; lanes with windows wait for a second anyway.
LONGEST: Final = 5.0
#: Seconds at a low rate after all that warms up or is too much: servers go on compiling and compacting for so long.
SETTLING: Final = 60.0
#: Seconds of critical events that are published at once during the flood.
PIECE: Final = 5.0
PERCENTILES: Final = (50.0, 99.0, 99.9)


class Sizes(NamedTuple):
    """How much is done."""

    rates: Sequence[float]  # events a second, rising
    warm: int  # events at once, before any counts
    seconds: float  # of each rate
    flood: int  # events
    accounts: int


class AtRate(NamedTuple):
    """What a rate gave: percentiles of each lane (ms), the busy share of the machine, the longest latency (s)."""

    rate: float
    lanes: Mapping[str, Sequence[float]]
    busy: float
    longest: float

    @property
    def sustained(self) -> bool:
        """Whether the machine can do it for long."""
        return self.busy < BUSIEST and self.longest < LONGEST


class Flooded(NamedTuple):
    """p99 of critical events (ms) at rest and in the flood, and how fast that drained (events/s)."""

    quiet_p99: float
    flooded_p99: float | None  # None: the flood was over before an event was due
    per_s: float


def percentiles(latencies: Any) -> list[float]:
    """p50, p99 and p99.9, ms."""
    return [round(float(value), 2) for value in np.percentile(latencies, PERCENTILES)]


def by_lane(run: Outcome) -> dict[str, list[float]]:
    """Percentiles of each lane of a run of the load `one`, whose events are of all lanes in turn."""
    took, turns = latencies_ms(run), run.arrivals.numbers % len(LANES)
    return {lane: percentiles(took[turns == turn]) for turn, lane in enumerate(LANES)}


async def rates(system: Lockstep, sizes: Sizes, directory: Path) -> tuple[list[AtRate], int]:
    """Rates up to the first that is not sustained, and what was wrong."""
    found: list[AtRate] = []
    async with Bench(system, load("one", sizes.accounts), directory) as bench:
        await bench.run(max(len(LANES) * sizes.accounts, sizes.warm))
        await bench.run(int(sizes.rates[0] * SETTLING), sizes.rates[0])
        for rate in sizes.rates:
            before = psutil.cpu_times()
            run = await bench.run(int(rate * sizes.seconds), rate)
            longest = float(latencies_ms(run).max()) / 1000
            found.append(AtRate(rate, by_lane(run), busy(before, psutil.cpu_times()), longest))
            say(found[-1])
            if not found[-1].sustained:
                break
        return found, await bench.wrong()


def say(at: AtRate) -> None:
    """A line for each lane."""
    print(f"{at.rate:.0f} events/s: machine busy {at.busy:.0%}{'' if at.sustained else ', not sustained'}")
    for lane, (p50, p99, p999) in at.lanes.items():
        print(f"  {lane}: p50 {p50} ms, p99 {p99} ms, p99.9 {p999} ms")


async def flood(system: Lockstep, sizes: Sizes, directory: Path) -> tuple[Flooded, int]:
    """Critical events at rest, then in the flood."""
    async with AsyncExitStack() as stack:
        critical = await stack.enter_async_context(Bench(system, load("critical", sizes.accounts), directory))
        low = await stack.enter_async_context(Bench(system, load("low", sizes.accounts), directory))
        await critical.run(sizes.accounts)
        await low.run(sizes.accounts)
        await critical.run(int(CRITICAL_PER_S * SETTLING), CRITICAL_PER_S)
        quiet = await pieces(critical, asyncio.create_task(asyncio.sleep(sizes.seconds)))
        backlog = await dam(system, low, sizes.flood)
        start(system, ["low"], NICE)
        draining = asyncio.create_task(low.shown(backlog))
        flooded = await pieces(critical, draining)
        await draining
        arrivals = low.arrivals()
        times = arrivals.times[arrivals.numbers >= backlog.start]
        speed = len(times) / max(1e-9, (times.max() - times.min()) / 1e9)
        p99 = p99_within(flooded, times.min(), times.max())
        return Flooded(percentiles(quiet[:, 1])[1], p99, speed), await critical.wrong() + await low.wrong()


def p99_within(events: Any, begin: int, end: int) -> float | None:
    """p99 of the events (rows of moment in ns and latency in ms) of a span of time; None where there are none."""
    within = events[(events[:, 0] >= begin) & (events[:, 0] <= end)]
    return percentiles(within[:, 1])[1] if len(within) else None


async def dam(system: Lockstep, low: Bench, events: int) -> Load:
    """A backlog of low events that are routed, and that nobody takes. Raises Incomplete."""
    for member in system.pipeline.members:
        if member.name == "low":
            await asyncio.to_thread(member.stop)
    full = await asyncio.to_thread(_end_of_low, system) + events
    backlog = low.next(events)
    low.publish(backlog, 0.0)
    await asyncio.to_thread(_wait_for, system, full)
    return backlog


def _wait_for(system: Lockstep, full: int) -> None:
    last, moved = -1, time.monotonic()
    while (routed := _end_of_low(system)) < full:
        if routed != last:
            last, moved = routed, time.monotonic()
        elif time.monotonic() - moved > PATIENCE:
            raise Incomplete(f"{full - routed} low events are not routed, and for {PATIENCE:g} s nothing was")
        time.sleep(0.2)


def _end_of_low(system: Lockstep) -> int:
    settings = system.settings
    partitions = range(system.topology.partitions)
    ends = watermarks(settings.kafka.servers, f"{settings.topic_prefix}events.low", partitions)
    return sum(end for _, end in ends.values())


async def pieces(bench: Bench, until: asyncio.Task[Any]) -> Any:
    """Critical events at their rate, piece by piece, until something is over: when each was due (ns), and its latency
    (ms)."""
    found: list[Any] = []
    while not found or not until.done():
        piece = bench.next(int(CRITICAL_PER_S * PIECE))
        bench.publish(piece, CRITICAL_PER_S)
        await bench.shown(piece)
        run = bench.outcome(piece, {}, 0)
        due = run.due[run.arrivals.numbers - piece.start]
        found.append(np.column_stack([due, latencies_ms(run)]))
    return np.concatenate(found)


def load(mix: str, accounts: int) -> Load:
    """A load over accounts that no other has."""
    return Load(mix, f"{mix}{uuid.uuid4().hex[:6]}", accounts, 0, 0)


def figures(at: Sequence[AtRate], flooded: Flooded, wrong: int) -> dict[str, object]:
    """The last line: of the highest sustained rate; where there is none, of the lowest, as rate 0.

    The ratio is null where no critical event was due in the flood.
    """
    best = next((one for one in reversed(at) if one.sustained), None)
    p50, p99, _ = (best or at[0]).lanes["critical"]
    return {
        "rate_per_s": round(best.rate) if best else 0,
        "critical_p50_ms": p50,
        "critical_p99_ms": p99,
        "flood_events_per_s": round(flooded.per_s),
        "critical_p99_flood_ratio": flooded.flooded_p99 and round(flooded.flooded_p99 / flooded.quiet_p99, 2),
        "wrong": wrong,
    }


async def measure(system: Lockstep, sizes: Sizes, directory: Path) -> dict[str, object]:
    """All figures, of a lockstep that runs."""
    at, wrong = await rates(system, sizes, directory)
    flooded, more = await flood(system, sizes, directory)
    print(f"critical at {CRITICAL_PER_S:.0f}/s: p99 {flooded.quiet_p99} ms, in the flood {flooded.flooded_p99} ms")
    return figures(at, flooded, wrong + more)


def main() -> int:
    """Boot all servers, measure, print one line of JSON; 1 where something was wrong."""
    sizes = Sizes(
        [float(rate) for rate in os.environ.get("RATES", "250,500,1000,2000,5000,10000,20000").split(",")],
        int(os.environ.get("WARM", "60000")),
        float(os.environ.get("SECONDS", "20")),
        int(os.environ.get("FLOOD", "1000000")),
        int(os.environ.get("ACCOUNTS", "1000")),
    )
    config = on_free_ports(Path(tempfile.mkdtemp(prefix="lockstep-")), serving=True)
    with (
        local_servers(config=config) as running,
        tempfile.TemporaryDirectory(prefix="lockstep-bench-") as home,
        awake() as kept,
    ):
        say_awake(kept)
        directory = Path(home)
        partitions = int(os.environ.get("PARTITIONS", "1"))
        with lockstep(running.endpoints, directory / "lockstep", partitions=partitions) as system:
            start(system, nice=NICE)
            return report(asyncio.run(measure(system, sizes, directory)))


if __name__ == "__main__":
    launch(main)
