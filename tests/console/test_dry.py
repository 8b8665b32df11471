"""Dry runs judge as the product does: what the stages decide, window by window, and nothing beside it."""

from __future__ import annotations

import json

import pytest

from edge.console.dry.run import DryRun, Judged
from edge.console.what_if import Question, changed
from edge.problems import Problem
from sinks.content import timestamp
from streams.murmur2 import partition_for
from streams.settings import Settings
from streams.topology import Topology
from streams.transport.client import RawRecord
from tests.unit.fakes import NOW, TOPIC_ID, shipped_topology

HEADERS = [("content-type", b"application/cloudevents+json")]
ACCOUNT = "anna"
TITLES = {"titles": {"added": [1], "removed": []}}


def record(offset: int, type_: str, at: int = NOW, **more: object) -> RawRecord:
    """A record of `ingest`, of an event that happened as it was appended."""
    event = {"specversion": "1.0", "id": f"e{offset}", "source": "/s", "type": type_, "subject": ACCOUNT,
             "time": timestamp(at), "datacontenttype": "application/json", "data": {}, **more}  # fmt: skip
    return RawRecord(offset, at, ACCOUNT.encode(), json.dumps(event).encode(), HEADERS)


async def judged(*records: RawRecord, topology: Topology | None = None) -> list[Judged]:
    """What becomes of each."""
    topology = topology or shipped_topology()
    run = DryRun(Settings(), topology, partition_for(ACCOUNT.encode(), topology.partitions), TOPIC_ID)
    return await run.judge(records)


def ends(rows: list[Judged]) -> list[str]:
    """The kind of the outcome of each, `notified` where it went on."""
    assert all((row.said is None) != (row.notified is None) for row in rows), rows
    return [row.said.outcome.kind if row.said else "notified" for row in rows]


async def test_every_gate_speaks() -> None:
    """Unknown, too old, repeated, superseded, and what passes."""
    plan = "member.plan.changed"
    rows = await judged(
        record(0, plan),
        record(1, plan, id="e0"),
        record(2, plan, time=timestamp(NOW - 90_000_000)),
        record(3, "member.unknown"),
        record(4, plan, time=timestamp(NOW - 1000)),
        RawRecord(5, NOW, None, b"\xff", []),
        record(6, plan, time=timestamp(NOW + 1)),
    )
    assert ends(rows) == [
        "notified", "duplicate", "stale", "dead-lettered", "superseded", "dead-lettered", "notified",
    ]  # fmt: skip
    assert [row.offset for row in rows] == list(range(7))


async def test_windows_end_by_the_time_of_the_records() -> None:
    """Those of one window merge, also over the end of a batch; the last window ends too."""
    records = [record(n, "member.list.changed", NOW + n // 3 * 200, data=TITLES) for n in range(1500)]
    rows = await judged(*records)
    assert ends(rows) == ["merged", "merged", "notified"] * 500


async def test_other_rules_judge_otherwise() -> None:
    """A use case that matters for a shorter time, merges, or goes through another lane."""
    late = record(0, "member.plan.changed", time=timestamp(NOW - 60_000))
    other = changed(shipped_topology(), Question("plan-change", max_age="30s"))
    assert ends(await judged(late)) == ["notified"]
    assert ends(await judged(late, topology=other)) == ["stale"]
    two = [record(n, "member.plan.changed") for n in range(2)]
    other = changed(shipped_topology(), Question("plan-change", merge="latest", lane="low"))
    assert ends(await judged(*two)) == ["notified", "notified"]
    assert ends(await judged(*two, topology=other)) == ["merged", "notified"]
    assert shipped_topology().use_cases["plan-change"].merge == "none"


async def test_a_flood_of_bad_records_stops_no_dry_run() -> None:
    """As it would stop a partition."""
    rows = await judged(*(RawRecord(n, NOW, None, b"", []) for n in range(1200)))
    assert set(ends(rows)) == {"dead-lettered"}


def test_rules_that_cannot_be_are_refused_in_the_words_of_the_check() -> None:
    """They name the place in topics.yaml."""
    with pytest.raises(Problem, match=r"use_cases\.viewing-activity"):
        changed(shipped_topology(), Question("viewing-activity", merge="union"))
    with pytest.raises(Problem, match="lane"):
        changed(shipped_topology(), Question("viewing-activity", lane="fast"))
    with pytest.raises(Problem, match="'x' is none"):
        changed(shipped_topology(), Question("x"))
