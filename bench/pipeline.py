"""`make bench-pipeline`: what an event costs from its topic to the socket of a device, all processes together.

Every event becomes one row of the inbox and one push to a television that is online, over all lanes in turn; real
Kafka, Cassandra, Redis, gateway and sockets. The publisher and the devices are processes of their own, which do not
count. Runs of lockstep and of the same pipeline in the textbook's way (`bench/peers/textbook_worker.py`) take turns.
Then the mix of the demo, and once more with a process for each stage, which says what each costs. A figure counts when
every device was sent every event once and in order, and the inbox holds each once. The last line is JSON; before it
come lines on what else was found.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.measure import report
from bench.plan import Load
from bench.program import launch
from bench.runs import Bench, Outcome
from bench.system import BY_STAGE, Lockstep, System, lockstep, start
from bench.textbook import textbook
from deploy.local.config import Endpoints
from deploy.local.servers import local_servers


class Sizes(NamedTuple):
    """How much is done."""

    events: int  # of each run of lockstep
    textbook: int  # of each run of the textbook's pipeline
    accounts: int
    runs: int = 3


class Found(NamedTuple):
    """The medians of the runs of one system."""

    cpu_us_per_event: float
    events_per_s: float
    by_process: Mapping[str, float]
    wrong: int


def found(runs: list[Outcome], wrong: int) -> Found:
    """The medians of runs, per event."""
    shares = [{name: cpu / len(run.due) * 1e6 for name, cpu in run.cpu_s.items()} for run in runs]
    return Found(
        round(median(sum(share.values()) for share in shares), 1),
        round(median(len(run.due) / run.seconds for run in runs)),
        {name: round(median(share[name] for share in shares), 1) for name in shares[0]},
        wrong,
    )


def load(mix: str, accounts: int) -> Load:
    """A load over accounts that no other has."""
    return Load(mix, f"{mix}{uuid.uuid4().hex[:6]}", accounts, 0, 0)


async def alone(system: System, mix: str, events: int, sizes: Sizes, directory: Path) -> Found:
    """Runs of one mix on one system, after one that warms up."""
    async with Bench(system, load(mix, sizes.accounts), directory) as bench:
        await bench.run(events // 5)
        runs = [await bench.run(events) for _ in range(sizes.runs)]
        return found(runs, await bench.wrong())


async def side_by_side(ours: System, theirs: System, sizes: Sizes, directory: Path) -> tuple[Found, Found]:
    """Runs of both in turn, after one of each that warms up."""
    async with AsyncExitStack() as stack:
        both = [
            (await stack.enter_async_context(Bench(system, load("one", sizes.accounts), directory)), events)
            for system, events in ((ours, sizes.events), (theirs, sizes.textbook))
        ]
        for bench, events in both:
            await bench.run(events // 5)
        runs: list[list[Outcome]] = [[], []]
        for _ in range(sizes.runs):
            for (bench, events), of in zip(both, runs, strict=True):
                of.append(await bench.run(events))
        first, second = [found(of, await bench.wrong()) for (bench, _), of in zip(both, runs, strict=True)]
        return first, second


async def measure(
    servers: Endpoints, whole: Lockstep, split: Lockstep, sizes: Sizes, directory: Path, database: int
) -> dict[str, Any]:
    """All figures: of a lockstep as shipped, which runs, and of one with a process for each stage, not yet started."""
    with textbook(servers, directory / "textbook", whole.way.keys, database) as book:
        ours, theirs = await side_by_side(whole, book, sizes, directory)
    say("lockstep", ours)
    say("textbook on stock Faust", theirs)
    demo = await alone(whole, "demo", sizes.events, sizes, directory)
    say("lockstep, the demo's mix", demo)
    whole.pipeline.stop()
    start(split)
    stages = await alone(split, "one", sizes.events, sizes, directory)
    say("lockstep, a process a stage", stages)
    return {
        "cpu_us_per_event": ours.cpu_us_per_event,
        "by_stage": dict(stages.by_process),
        "events_per_s": ours.events_per_s,
        "wrong": ours.wrong + theirs.wrong + demo.wrong + stages.wrong,
    }


def say(what: str, figures: Found) -> None:
    """A line for whoever watches."""
    print(f"{what}: {figures.cpu_us_per_event:.1f} us CPU an event, {figures.events_per_s:.0f} events/s, ", end="")
    print(", ".join(f"{name} {cpu:.1f}" for name, cpu in figures.by_process.items()), f"; wrong: {figures.wrong}")


def main() -> int:
    """Boot all servers, measure, print one line of JSON; 1 where something was wrong."""
    number = {name: int(os.environ.get(name, default)) for name, default in DEFAULTS.items()}
    sizes = Sizes(number["EVENTS"], number["TEXTBOOK_EVENTS"], number["ACCOUNTS"])
    with local_servers() as running, tempfile.TemporaryDirectory(prefix="lockstep-bench-") as home:
        servers, directory = running.endpoints, Path(home)
        with (
            lockstep(servers, directory / "whole", 1) as whole,
            lockstep(servers, directory / "split", 2, BY_STAGE) as split,
        ):
            start(whole)
            return report(asyncio.run(measure(servers, whole, split, sizes, directory, 3)))


DEFAULTS = {"EVENTS": "100000", "TEXTBOOK_EVENTS": "5000", "ACCOUNTS": "1000"}


if __name__ == "__main__":
    launch(main)
