"""The benchmarks of the whole, short: what they find is right, whatever it costs here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import pipeline
from bench.system import Lockstep
from bench.textbook import textbook
from deploy.local.config import Endpoints
from tests.e2e.system import System

SIZES = pipeline.Sizes(events=240, textbook=40, accounts=5, runs=1)


async def test_the_benchmark_of_the_pipeline_finds_every_event_at_its_devices_and_in_the_inbox(
    running: System,
    cassandra_address: tuple[str, int],
    redis_address: tuple[str, int],
    redis_databases: Iterator[int],
    tmp_path: Path,
) -> None:
    """Of lockstep, of the textbook's pipeline beside it, and of the demo's mix."""
    servers = Endpoints(running.kafka, cassandra_address, redis_address)
    system = Lockstep(running.pipeline)
    with textbook(servers, tmp_path / "textbook", system.way.keys, next(redis_databases)) as book:
        ours, theirs = await pipeline.side_by_side(system, book, SIZES, tmp_path)
    demo = await pipeline.alone(system, "demo", 140, SIZES, tmp_path)
    assert (ours.wrong, theirs.wrong, demo.wrong) == (0, 0, 0)
    assert ours.by_process.keys() >= {"router", "critical", "high", "normal", "low", "edge"}
    assert ours.cpu_us_per_event > 0
