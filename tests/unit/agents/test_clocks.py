"""Whose clock decides: that of the record in hand, so that a replay, however late, is judged as the first time was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from agents.notify import stage as notify_stage
from agents.route import stage as route_stage
from streams.envelope import VERSION, Envelope, encode
from streams.murmur2 import partition_for
from streams.seen import SeenState
from streams.stage import Stage
from tests.unit.fakes import NOW, TOPIC_ID, FakeBatch, FakeOutput, FakeRecord, at, make_stage

HOUR = 3_600_000
#: Clocks of workers that come to the same records: when they were appended, a day later, a day before.
CLOCKS = (NOW, NOW + 24 * HOUR, NOW - 24 * HOUR)
ACCOUNT = "acct"
PARTITION = partition_for(ACCOUNT.encode(), 8)


class Table:
    """The state of one partition, without a changelog."""

    def __init__(self, state: Any) -> None:
        self._state = state

    async def judge(self, partition: int, entries: Sequence[Any]) -> list[Any]:
        """A verdict for each entry."""
        verdicts: list[Any] = self._state.judge(entries)[0]
        return verdicts


def at_clock(stage: Stage, now: int) -> Stage:
    """The stage of a worker whose clock stands at `now` (ms)."""
    return replace(stage, clock=lambda: now / 1000)


def event(offset: int, id_: str, time: int, appended: int = NOW) -> FakeRecord:
    """An event of the use case viewing-activity, which matters for an hour."""
    value = {
        "specversion": "1.0", "id": id_, "source": "/s", "type": "member.viewing.updated", "subject": ACCOUNT,
        "time": datetime.fromtimestamp(time / 1000, UTC).isoformat(),
    }  # fmt: skip
    headers = [("content-type", b"application/cloudevents+json")]
    return FakeRecord(offset, ACCOUNT.encode(), json.dumps(value).encode(), headers, appended)


async def routed(records: Sequence[FakeRecord], now: int) -> tuple[list[bytes | None], list[tuple[str, int, str]]]:
    """What a router whose clock stands at `now` forwards and refuses."""
    output = FakeOutput()
    stage = make_stage("route", output, table=Table(SeenState(PARTITION, 600_000)))
    handle = await route_stage(at_clock(stage, now))
    for record in records:
        await handle(FakeBatch("ingest", [record], PARTITION))
    return [sent.value for sent in output.to("events.normal")], [(o.kind, o.seq, o.detail) for o in output.outcomes()]


async def test_the_router_judges_by_the_time_of_the_record() -> None:
    """Young and stale are the same to routers of every clock, to the byte."""
    records = [event(0, "young", NOW - HOUR), event(1, "old", NOW - HOUR - 1)]
    first, *others = [await routed(records, now) for now in CLOCKS]
    assert (len(first[0]), [o[:2] for o in first[1]]) == (1, [("stale", at(1))])
    assert all(other == first for other in others)


async def test_what_was_seen_ages_by_the_time_of_the_record() -> None:
    """Two records of an id lie twenty minutes apart on the broker: both take effect, however fast they are read."""
    records = [event(n, "again", NOW - HOUR // 2, NOW - HOUR // 2 + n * HOUR // 3) for n in range(2)]
    first, *others = [await routed(records, now) for now in CLOCKS]
    assert (len(first[0]), first[1]) == (2, [])
    assert all(other == first for other in others)


async def test_notify_judges_by_the_time_of_the_record() -> None:
    """A backlog that waited in the lane behind its record's append time is not stale by that."""
    envelope = Envelope(
        version=VERSION, topic_id=TOPIC_ID, partition=0, seq=at(1), lane=1, account=ACCOUNT, source="/s", id="e",
        type="member.viewing.updated", time=NOW, appended=NOW, deadline=NOW + HOUR, expires=NOW + HOUR,
        content_type="", payload=b"",
    )  # fmt: skip
    for now in CLOCKS:
        output = FakeOutput()
        handle = await notify_stage(at_clock(make_stage("notify", output, lane=1), now))
        await handle(FakeBatch("events.high", [FakeRecord(1, b"acct", encode(envelope), timestamp=NOW + HOUR)]))
        assert (len(output.to("notifications.high")), output.outcomes()) == (1, [])
