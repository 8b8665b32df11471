"""What every benchmark shares: what processes cost, cores of their own, medians of interleaved runs, the last line."""

from __future__ import annotations

import json
import os
import re
import statistics
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil

T = TypeVar("T")
#: Where Linux takes a bound on the time that a core may take to wake (PM QoS).
WAKING = "/dev/cpu_dma_latency"


class Usage(NamedTuple):
    """What processes have used together up to a moment: the clock (s), CPU of user and system (s), peak memory (MB)."""

    wall_s: float
    cpu_s: float
    rss_mb: float

    def since(self, before: Usage) -> Usage:
        """What was used between two moments; the peak stays that of the later one."""
        return Usage(self.wall_s - before.wall_s, self.cpu_s - before.cpu_s, self.rss_mb)


def usage(pids: Iterable[int]) -> Usage:
    """What these living processes have used, without their children. Raises psutil.NoSuchProcess."""
    processes = [psutil.Process(pid) for pid in pids]
    times = [process.cpu_times() for process in processes]
    cpu = sum(time.user + time.system for time in times)
    return Usage(time.perf_counter(), cpu, sum(_peak_mb(process) for process in processes))


def _peak_mb(process: psutil.Process) -> float:
    """The most memory that was resident; where the system does not keep that, what is resident now."""
    status = Path(f"/proc/{process.pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else process.memory_info().rss / 2**20


def busy(before: Any, after: Any) -> float:
    """Share of the machine's CPU that was in use between two moments."""
    total, idle = sum(after) - sum(before), after.idle + after.iowait - before.idle - before.iowait
    return 1.0 - idle / total if total else 1.0


class Cores(NamedTuple):
    """Which cores are for the servers and the load, and which for what is measured."""

    servers: frozenset[int]
    measured: frozenset[int]


def split(measured: int = 1) -> Cores:
    """Give the last cores, so many, to what is measured; where no core would be left for the servers, all share all."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) <= measured:
        return Cores(frozenset(cores), frozenset(cores))
    return Cores(frozenset(cores[:-measured]), frozenset(cores[-measured:]))


@contextmanager
def awake() -> Iterator[bool]:
    """Keep the machine's cores from halting meanwhile, as is usual where latency counts; whether it can be done.

    A virtual core that halts leaves the machine to others: what runs next finds caches cold, and is charged for it.
    The bound is in microseconds, and holds for as long as the file is open.
    """
    try:
        bound = os.open(WAKING, os.O_WRONLY)
    except OSError:
        yield False
        return
    try:
        os.write(bound, struct.pack("i", 0))
        yield True
    finally:
        os.close(bound)


def say_awake(kept: bool) -> None:
    """A line on what `awake` could do."""
    print("cores are kept from halting" if kept else f"cores may halt between two events: no access to {WAKING}")


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Threads and processes that are started within run on these cores, and so does who starts them meanwhile."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def interleaved(cases: Mapping[str, Callable[[], T]], runs: int = 3) -> dict[str, list[T]]:
    """What each case gave in each run. Every run has all cases, so that what disturbs the machine disturbs them all."""
    found: dict[str, list[T]] = {name: [] for name in cases}
    for _ in range(runs):
        for name, case in cases.items():
            found[name].append(case())
    return found


def medians(runs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The median of each number over runs that all have it."""
    columns: dict[str, list[float]] = {}
    for run in runs:
        for name, number in run.items():
            columns.setdefault(name, []).append(number)
    return {name: statistics.median(numbers) for name, numbers in columns.items()}


def report(numbers: Mapping[str, object], wrong: str = "wrong") -> int:
    """Print the last line, JSON with a key that counts what was wrong; the exit status: 1 where anything was."""
    print(json.dumps(dict(numbers)), flush=True)
    return 1 if numbers[wrong] else 0
