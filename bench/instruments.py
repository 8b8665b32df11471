"""`make bench-metrics`: what it costs to be watched: counting, beside the work that is counted, and a scrape.

Counting is measured alone, on batches as the router takes them, and set against the router's own work on them, that of
the stage with the least. Scrapes are of every process of a running lockstep that carries a load: CPU of the process for
one, and its series. What the router put out is checked.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, NamedTuple

from agents.route import stage as route_stage
from bench.measure import interleaved, report, usage
from bench.plan import Load
from bench.program import launch
from bench.route.load import HEADERS, home, plan, value_of
from bench.runs import Bench
from bench.system import Lockstep, lockstep, start
from deploy.local.servers import local_servers
from streams.check import load_file
from streams.counted import CountedOutput, counted
from streams.metrics import StageMetrics
from streams.outcomes import Outcome
from streams.seen import SeenEntry, SeenState, SeenVerdict
from streams.settings import Settings
from streams.stage import Batch, Life, Packed, Resources, Stage
from streams.topology import Topology

EVENTS: Final = 20_000
BATCH: Final = 500
RUNS: Final = 7
SCRAPES: Final = 40
ROOT: Final = Path(__file__).parents[1]


class Record(NamedTuple):
    """One of `ingest`."""

    offset: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    timestamp: int


class Records:
    """A batch of one partition."""

    topic = "ingest"
    clock = -1

    def __init__(self, partition: int, records: Sequence[Record]) -> None:
        self.partition = partition
        self.records = records
        self.life = Life()

    def watermark(self) -> int:
        """Nothing was taken before."""
        return -1


class Nowhere:
    """An output that only counts."""

    def __init__(self) -> None:
        self.sent = 0

    def put(self, *_record: object) -> None:
        """Queue one record."""
        self.sent += 1

    async def send(self, *_record: object) -> None:
        """Queue one record, waiting for room."""
        self.sent += 1

    async def send_all(self, _topic: str, _partition: int, records: Sequence[Packed]) -> None:
        """Queue records."""
        self.sent += len(records)


class Seen:
    """The router's table, without a changelog."""

    def __init__(self) -> None:
        self._states: dict[int, SeenState] = {}

    async def judge(self, partition: int, entries: Sequence[SeenEntry]) -> list[SeenVerdict]:
        """A verdict for each entry."""
        state = self._states.get(partition)
        if state is None:
            state = self._states[partition] = SeenState(partition, 600_000)
        return state.judge(entries)[0]


def batches(topology: Topology) -> list[Records]:
    """The events, as polls of each partition would bring them."""
    began = datetime.now(UTC)
    lying: dict[int, list[Record]] = defaultdict(list)
    for number in range(EVENTS):
        event = plan(number)
        partition = home(event.account, topology.partitions)
        records = lying[partition]
        at = int(began.timestamp() * 1000)
        records.append(Record(len(records), event.account.encode(), value_of(event, began), HEADERS, at))
    return [
        Records(partition, records[first : first + BATCH])
        for partition, records in lying.items()
        for first in range(0, len(records), BATCH)
    ]


async def routed(topology: Topology, taken: Sequence[Any]) -> tuple[float, int]:
    """CPU seconds of the router for these batches; what it put out."""
    output = Nowhere()
    async with AsyncExitStack() as stack:
        handle = await route_stage(Stage(
            name="route", topology=topology, settings=Settings(), output=output,
            resources=Resources(Settings(), stack), metrics=StageMetrics("route", "all"), topic_id=b"topc", lane=None,
            platform=None, table=Seen(),
        ))  # fmt: skip
        began = time.process_time()
        for batch in taken:
            await handle(batch)
        return time.process_time() - began, output.sent


async def watched(taken: Sequence[Any]) -> float:
    """CPU seconds of counting these batches: each goes into four lanes, but for a tenth, which ends in outcomes."""
    metrics = StageMetrics("route", "all")
    output = CountedOutput(Nowhere(), metrics, "", "ingest")
    lane: list[Packed] = [(b"", b"")] * (BATCH * 9 // 40)
    outcomes = [Outcome(kind="stale", account="a", seq=0)] * (BATCH // 10)

    async def nothing(batch: Batch) -> int:
        for topic in ("events.critical", "events.high", "events.normal", "events.low"):
            await output.send_all(topic, batch.partition, lane)
        metrics.count(outcomes)
        return 0

    handle = counted(nothing, metrics, "ingest")
    began = time.process_time()
    for batch in taken:
        await handle(batch)
    return time.process_time() - began


def counting(topology: Topology) -> tuple[dict[str, float], int]:
    """Microseconds an event of both, each the best of its runs; how many runs put out something else."""
    taken = batches(topology)
    expected = sum(plan(number).kind == "good" for number in range(EVENTS))
    wrong = 0

    def work() -> float:
        nonlocal wrong
        seconds, sent = asyncio.run(routed(topology, taken))
        reports = len(taken)  # of outcomes: at most one a batch
        wrong += not expected <= sent <= expected + reports
        return seconds

    found = interleaved({"routing": work, "counting": lambda: asyncio.run(watched(taken))}, RUNS)
    return {name: min(seconds) / EVENTS * 1e6 for name, seconds in found.items()}, wrong


def scrape(port: int) -> int:
    """The series of one scrape."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return sum(not line.startswith("#") for line in lines)


def scrapes(system: Lockstep) -> dict[str, tuple[int, float]]:
    """Series of each process, and its CPU for one scrape, ms."""
    found = {}
    for member in system.pipeline.members:
        before = usage([member.process.pid])
        series = [scrape(member.health_port) for _ in range(SCRAPES)]
        found[member.name] = max(series), usage([member.process.pid]).since(before).cpu_s * 1000 / SCRAPES
    return found


async def loaded(system: Lockstep, directory: Path) -> tuple[Mapping[str, tuple[int, float]], int]:
    """Scrapes of processes that have had events in all lanes."""
    async with Bench(system, Load("one", "metrics", 100, 0, 0), directory) as bench:
        await bench.run(1000)
        return await asyncio.to_thread(scrapes, system), await bench.wrong()


def main() -> int:
    """Print one line for each process, then JSON; 1 where something was wrong."""
    costs, wrong = counting(load_file(str(ROOT / "topics.yaml")))
    with local_servers() as running, tempfile.TemporaryDirectory(prefix="lockstep-bench-") as place:
        directory = Path(place)
        with lockstep(running.endpoints, directory / "lockstep") as system:
            start(system)
            found, missed = asyncio.run(loaded(system, directory))
    for name, (series, cost) in found.items():
        print(f"{name:<10} {series:>5} series, {cost:.1f} ms a scrape")
    print(f"counting   {costs['counting']:.3f} us an event beside {costs['routing']:.2f} us of routing")
    return report({
        "instrumentation_share": round(costs["counting"] / costs["routing"], 4),
        "series": max(series for series, _ in found.values()),
        "scrape_cpu_ms": round(max(cost for _, cost in found.values()), 1),
        "wrong": wrong + missed,
    })  # fmt: skip


if __name__ == "__main__":
    launch(main)
