"""`make bench-console`: what the console's search costs with OUTCOMES outcomes, and how long it takes.

Fills the topics of a Kafka of its own, has a console build its index from nothing, stops it, starts it again on what
is on its disk, and looks for events, accounts and devices through its API: figures are those of the slowest of 50.
The page is measured on a running lockstep beside it, in Chromium.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from bench.console.fill import STAGES, fill
from bench.console.page import Looked, look
from bench.console.searches import Client, Found, timed
from bench.measure import report, usage
from bench.program import launch
from bench.system import lockstep
from deploy.local.pipeline import Member, Pipeline, environment
from deploy.local.ports import free_ports
from deploy.local.servers import local_servers
from streams.settings import read_settings

OUTCOMES: Final = 10_000_000
#: For so long the page is looked at.
SECONDS: Final = 30.0
#: Events of one account, as many as its television has taken.
EACH: Final = 10
_ROOT: Final = Path(__file__).parents[2]


class Measured(NamedTuple):
    """Of the search: outcomes, bytes of the index, seconds and CPU seconds to build it, to start again, searches."""

    outcomes: int
    index_bytes: int
    build_s: float
    build_cpu_s: float
    restart_s: float
    searches: dict[str, Found]


async def measure(kafka: str, outcomes: int, directory: Path, prefix: str = "") -> Measured:
    """Everything but the page, on a Kafka that has no topics of this prefix."""
    events = max(1, outcomes // len(STAGES))
    accounts = max(1, events // EACH)
    with Pipeline(_variables(kafka, directory, prefix), directory, health_ports=free_ports(2)) as pipeline:
        pipeline.command("topics", "apply")
        began = time.perf_counter()
        await asyncio.to_thread(fill, read_settings(pipeline.environment), events, accounts)
        print(f"filled with {events} events in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        token = pipeline.command("operator", "bench").strip()
        now, data = int(time.time() * 1000), str(directory / "index")
        begun = time.perf_counter()
        async with _console(pipeline, token, data) as (member, client):
            built = await client.covered(now) - begun
            cpu = usage([member.process.pid]).cpu_s
        size = sum(path.stat().st_size for path in (Path(data) / "console").iterdir())
        begun = time.perf_counter()
        async with _console(pipeline, token, data) as (member, client):
            again = await client.covered(now) - begun
            searches = await timed(client, events, accounts, seed=7)
    return Measured(events * len(STAGES), size, built, cpu, again, searches)


def _variables(kafka: str, directory: Path, prefix: str) -> dict[str, str]:
    edge, pushes, console, nobody, no_one = free_ports(5)
    found = environment(kafka, ("127.0.0.1", nobody), ("127.0.0.1", no_one), directory, edge, pushes)
    own = {"LOCKSTEP_TOPOLOGY": str(_ROOT / "topics.yaml"), "LOCKSTEP_TOPIC_PREFIX": prefix}
    return {**found, **own, "LOCKSTEP_CONSOLE__PORT": str(console)}


@asynccontextmanager
async def _console(pipeline: Pipeline, token: str, data: str) -> AsyncIterator[tuple[Member, Client]]:
    member = pipeline.start("console", "console", LOCKSTEP_DATA_DIR=data)
    try:
        await asyncio.to_thread(pipeline.wait_ready, [member])
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            client = Client(session, f"http://127.0.0.1:{pipeline.environment['LOCKSTEP_CONSOLE__PORT']}")
            await client.sign_in(token)
            yield member, client
    finally:
        await asyncio.to_thread(member.stop)


def figures(found: Measured, page: Looked) -> dict[str, Any]:
    """The last line. The share is that of the console's process; the browser's own is beside it."""
    slowest = {f"search_{kind}_ms": round(max(each.took), 1) for kind, each in found.searches.items()}
    return {
        "outcomes": found.outcomes,
        "index_bytes_per_outcome": round(found.index_bytes / found.outcomes, 2),
        "build_s": round(found.build_s, 1),
        **slowest,
        "page_ready_ms": round(page.ready_ms),
        "live_core_share": round(page.console_share, 4),
        "live_browser_core_share": round(page.browser_share, 4),
        "wrong": page.wrong + sum(each.wrong for each in found.searches.values()),
    }


def main() -> int:
    """Measure and report."""
    outcomes = int(float(os.environ.get("OUTCOMES", OUTCOMES)))
    with local_servers(["kafka"]) as running, tempfile.TemporaryDirectory(prefix="lockstep-bench-") as directory:
        found = asyncio.run(measure(running.endpoints.kafka, outcomes, Path(directory)))
    for kind, each in found.searches.items():
        print(f"search by {kind:8} median {statistics.median(each.took):.0f} ms, slowest {max(each.took):.0f} ms")
    print(
        f"built in {found.build_s:.1f} s ({found.build_cpu_s:.1f} s of a core), again there in {found.restart_s:.1f} s"
    )
    page = look_on(float(os.environ.get("SECONDS", SECONDS)))
    return report(figures(found, page))


def look_on(seconds: float) -> Looked:
    """The page's part, on servers of its own."""
    with local_servers() as running, tempfile.TemporaryDirectory(prefix="lockstep-bench-") as directory:
        home = Path(directory)
        (home / "browser").mkdir()
        with lockstep(running.endpoints, home / "lockstep") as system:
            return asyncio.run(look(system, home / "browser", seconds))


if __name__ == "__main__":
    launch(main)
