"""The benchmarks of the whole, short: what they find is right, whatever it costs here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import growth, idle, latency, pipeline
from bench.edge import __main__ as edge
from bench.edge import sites
from bench.edge.holders import peers
from bench.herd import __main__ as herd
from bench.plan import LANES
from bench.system import Lockstep, start
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


async def test_the_benchmark_of_growth_finds_every_event_at_every_device(
    running: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each size that the system of the other tests has: all but other partitions."""
    monkeypatch.setattr(growth, "ACCOUNTS", (2, 5))
    found = await growth.on_one(Lockstep(running.pipeline), SIZES._replace(events=40), tmp_path)
    assert {what: list(of) for what, of in found.items()} == {
        "accounts": [2, 5], "devices": [1, 2, 4, 8], "lanes": [1, 2, 4],
    }  # fmt: skip
    assert [each.wrong for of in found.values() for each in of.values()] == [0] * 9


async def test_the_benchmark_of_idling_finds_every_event_and_a_share_of_every_process(
    running: System, tmp_path: Path
) -> None:
    """Other tests' events pass meanwhile, or none."""
    found = await idle.measure(Lockstep(running.pipeline), idle.Sizes(idle=0.5, load=0.5, accounts=5), tmp_path)
    assert found.wrong == 0
    assert found.loaded.keys() == LANES.keys()
    assert all(found.idle.keys() == shares.keys() >= {*LANES, "router", "edge"} for shares in found.loaded.values())
    assert idle.figures(found).keys() == {"core_share_at_100_per_s", "core_share_idle", "wrong"}


async def test_the_benchmark_of_latency_finds_every_event_also_those_of_the_flood(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker stops and starts in it, so the system is its own."""
    monkeypatch.setattr(latency, "CRITICAL_PER_S", 50.0)
    monkeypatch.setattr(latency, "PIECE", 1.0)
    monkeypatch.setattr(latency, "SETTLING", 0.2)
    measured = Lockstep(system.pipeline)
    start(measured, nice=latency.NICE)
    sizes = latency.Sizes(rates=(50.0,), warm=0, seconds=2.0, flood=500, accounts=5)
    found = await latency.measure(measured, sizes, tmp_path)
    assert found["wrong"] == 0
    assert found.keys() == {
        "rate_per_s", "critical_p50_ms", "critical_p99_ms", "flood_events_per_s", "critical_p99_flood_ratio", "wrong",
    }  # fmt: skip


def test_the_benchmark_of_the_edge_finds_every_push_at_its_device_and_nothing_new_in_every_poll(
    running: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of lockstep, and of the gateways whose libraries the tests have too."""
    monkeypatch.setattr(sites, "REST", 0.1)
    system = Lockstep(running.pipeline)
    monkeypatch.setattr(sites, "POLLING", 10)
    sizes = edge.Sizes(connections=40, polls=100, pushes=160, runs=1)
    with peers(["aiohttp", "websockets"], sys.executable, system.settings, tmp_path) as others:
        found = edge.measure(system, others, sizes, tmp_path)
    assert found.wrong == 0
    assert found.idle.keys() == found.pushes.keys() == {"lockstep", "aiohttp", "websockets"}
    assert found.polls.keys() == {"lockstep", "aiohttp"}
    assert list(edge.figures(found)) == [
        "idle_kib_per_connection", "poll_cpu_us", "poll_p99_ms", "polls_per_s", "pushes_per_s", "pushes_per_cpu_s",
        "wrong",
    ]  # fmt: skip


async def test_the_drill_finds_every_event_at_every_device_also_at_those_that_lost_their_gateway(
    running: System, tmp_path: Path
) -> None:
    """Three gateways beside that of the other tests."""
    system = Lockstep(running.pipeline)
    gateways = herd.start(system, 3)
    sizes = herd.Sizes(devices=90, processes=2, rate=100.0, before=1.0, after=0.5)
    try:
        found = await herd.drill(system, gateways, sizes, tmp_path)
    finally:
        for member in gateways.members:
            member.kill()
    figures = herd.figures(found, 3)
    assert list(figures) == [
        "devices", "all_back_s", "peak_accepts_per_s", "push_p99_ms_others", "inbox_reads_per_device", "lost",
    ]  # fmt: skip
    assert (figures["devices"], figures["lost"]) == (90, 0)
    assert 1 <= figures["peak_accepts_per_s"] <= 30
    assert figures["inbox_reads_per_device"] >= len(system.topology.lane_names())
