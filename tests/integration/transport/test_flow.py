"""Back-pressure, stops, and what a worker tells about itself."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.integration.transport.pipeline import PARTITIONS, Pipeline, until


def _routed(pipeline: Pipeline, number: int) -> None:
    pipeline.create()
    pipeline.fill(number, duplicates=0.0)
    router = pipeline.start("router")
    until(lambda: pipeline.lag("router") == 0, "the router is done")
    assert router.stop() == 0


def test_a_slow_stage_does_not_hold_back_its_neighbour(pipeline: Pipeline) -> None:
    """Store sleeps at each batch: notify of the same app finishes all its records while store is still at its first."""
    _routed(pipeline, 40_000)
    expected = sum(len(records) for records in pipeline.read("events.a").values())
    lane = pipeline.start("lane", store_pause=30.0, poll=200)
    until(lambda: lane.count("notify") == expected, "notify has done everything")

    def in_flight() -> list[int]:
        partitions = lane.last()["partitions"]
        return [values["in_flight"] for name, values in partitions.items() if "notifications.a" in name]

    until(lambda: in_flight() == [2] * PARTITIONS, "each partition of store is full, and left unread")
    assert lane.count("store") == 0
    lane.kill()


def test_a_stop_finishes_and_commits_what_is_in_work(pipeline: Pipeline) -> None:
    """SIGTERM in the middle of batches: exit 0, and every record passed on is covered by a commit."""
    _routed(pipeline, 20_000)
    lane = pipeline.start("lane", notify_pause=0.3, store_pause=0.3, poll=100, commit_interval=60.0)
    until(lambda: lane.count("store") > 0, "work is done")
    assert lane.stop() == 0
    passed = pipeline.ends("push.a")
    assert sum(passed.values()) > 0
    marks = pipeline.committed("lane")
    committed = {p: marks[f"{pipeline.prefix}notifications.a", p].offset for p, end in passed.items() if end}
    assert committed == {p: end for p, end in passed.items() if end}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_the_start_is_clean(pipeline: Pipeline, number: signal.Signals) -> None:
    """A signal while the app is still starting, or joining its group, ends it with 0."""
    pipeline.create()
    lane = pipeline.start("lane")
    until(lambda: lane.last(), "the process has begun")
    lane.send(number)
    assert lane.process.wait(30) == 0


def test_a_stop_before_anything_is_built_is_clean(pipeline: Pipeline) -> None:
    """As soon as the process takes signals, long before its imports are done."""
    pipeline.create()
    lane = pipeline.start("lane")
    status = Path(f"/proc/{lane.process.pid}/status")

    def taken() -> bool:
        caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status.read_text())
        return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)

    until(taken, "it takes SIGTERM")
    lane.send(signal.SIGTERM)
    assert lane.process.wait(30) == 0
    assert lane.last() == {}


def test_a_worker_tells_where_it_is(pipeline: Pipeline) -> None:
    """Committed offset, watermark, position and end of each partition, and that its tables are whole."""
    pipeline.create()
    pipeline.fill(4000, duplicates=0.0)
    router = pipeline.start("router")
    ends = pipeline.ends("ingest")
    until(lambda: router.last().get("recovered") and pipeline.lag("router") == 0, "all is committed")

    def told() -> bool:
        partitions = router.last()["partitions"]
        return all(
            partitions[f"{pipeline.prefix}ingest:{partition}"]
            == {
                "committed": end,
                "watermark": end - 1,
                "position": end,
                "highwater": end,
                "in_flight": 0,
                "stopped": None,
            }
            for partition, end in ends.items()
        )

    until(told, "the report agrees")
    report = router.last()
    assert (report["gaps"], report["failure"]) == (0, None)
    assert router.stop() == 0
