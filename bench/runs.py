"""Runs of a load through a system: published open loop, shown by devices, paid for by its processes, judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from bench.child import Child
from bench.judge import Arrivals, expected, wrong_arrivals, wrong_rows
from bench.measure import Usage, usage
from bench.plan import Load
from bench.system import System

#: Seconds without an arrival after which what is missing counts as lost.
PATIENCE: Final = 60.0
#: Seconds after the last arrival in which acks and commits come to their end; their cost counts.
SETTLE: Final = 1.5


class Incomplete(Exception):
    """Devices were not sent all that they had to be, so there is nothing to report."""


class Outcome(NamedTuple):
    """One run: CPU seconds by process, seconds from the first event to the last arrival, what came, when it was due.

    `due` begins with event `start`.
    """

    cpu_s: Mapping[str, float]
    seconds: float
    arrivals: Arrivals
    due: Any
    start: int


def latencies_ms(run: Outcome) -> Any:
    """From when an event was due to when a device had it, in order of arrival."""
    return (run.arrivals.times - run.due[run.arrivals.numbers - run.start]) / 1e6


class Bench:
    """A system with the devices of one load and its publisher; a context manager. Ranges of the load run in turn."""

    def __init__(self, system: System, load: Load, directory: Path) -> None:
        """The load's range is all that will ever be run."""
        self._system = system
        self._load = load
        self._directory = directory
        self._stack = AsyncExitStack()
        self._shown = 0  # so many arrivals all ranges so far must have given
        self._done = load.start

    async def __aenter__(self) -> Bench:
        """Register the devices and connect those that are online."""
        self._crowd = self._stack.enter_context(Child("bench.crowd"))
        self._publisher = self._stack.enter_context(Child("bench.publisher"))
        way = self._system.way
        await self._system.register(self._load)
        await asyncio.to_thread(
            self._crowd.ask, do="connect", host=way.host, port=way.port, keys=way.keys, load=self._load, acks=True
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        """End both processes."""
        await self._stack.aclose()

    async def run(self, events: int, rate: float = 0.0) -> Outcome:
        """Publish the next events (`rate` a second, 0: all at once) and wait until they are shown and acked.

        Raises Incomplete.
        """
        load = self.next(events)
        before = self.costs()
        began = time.monotonic_ns()
        self.publish(load, rate)
        await self.shown(load)
        await asyncio.sleep(SETTLE)
        after = self.costs()
        if ended := before.keys() - after.keys():
            raise Incomplete(f"{', '.join(sorted(ended))} ended during the run")
        cpu = {name: after[name].since(before[name]).cpu_s for name in after}
        return self.outcome(load, cpu, began)

    def next(self, events: int) -> Load:
        """The next range of the load."""
        load = self._load._replace(start=self._done, stop=self._done + events)
        self._done += events
        return load

    def costs(self) -> dict[str, Usage]:
        """What each process has used."""
        return {name: usage([pid]) for name, pid in self._system.pids().items()}

    def publish(self, load: Load, rate: float) -> None:
        """Begin to publish."""
        way = self._system.way
        path = str(self._directory / f"due-{load.run}-{load.start}.npy")
        self._publisher.tell(servers=way.servers, topic=way.topic, load=load, rate=rate, path=path)

    async def shown(self, load: Load) -> None:
        """Wait until a range that is being published is acked by the broker and shown. Raises Incomplete."""
        published = await asyncio.to_thread(self._publisher.answer)
        assert not published["failed"]
        self._shown += len(expected(load))
        last, moved = -1, time.monotonic()
        while (shown := await asyncio.to_thread(self._crowd.ask, do="shown")) < self._shown:
            if shown != last:
                last, moved = shown, time.monotonic()
            elif time.monotonic() - moved > PATIENCE:
                raise Incomplete(f"devices showed {shown} of {self._shown} events, and then nothing for {PATIENCE:g} s")
            await asyncio.sleep(0.05)

    def outcome(self, load: Load, cpu_s: Mapping[str, float], began: int) -> Outcome:
        """What came of a range that began at a moment (monotonic, ns)."""
        arrivals = self.arrivals().within(load.start, load.stop)
        due = np.load(self._directory / f"due-{load.run}-{load.start}.npy")
        ended = arrivals.times.max() if len(arrivals.times) else began
        return Outcome(cpu_s, (ended - began) / 1e9, arrivals, due, load.start)

    def arrivals(self) -> Arrivals:
        """All that came so far."""
        path = str(self._directory / f"arrivals-{self._load.run}.npy")
        self._crowd.ask(do="save", path=path)
        return Arrivals(*np.load(path))

    async def wrong(self) -> int:
        """What is wrong with all that was run, at devices and in the inbox."""
        load = self._load._replace(stop=self._done)
        return wrong_arrivals(load, self.arrivals()) + wrong_rows(load, await self._system.rows(load))
