"""The stage `notify`: which events become notifications, for whom, and what supersedes what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agents.notify import stage as notify_stage
from streams.envelope import VERSION, Envelope, ForeignTopic, UnknownVersion, decode_envelope, encode
from streams.latest import LatestEntry, LatestState, LatestVerdict
from streams.logtime import Progress
from streams.targets import Predicate
from tests.unit.fakes import NOW, TOPIC_ID, FakeBatch, FakeOutput, FakeRecord, at, make_stage

HIGH = 1


class Table:
    """The state of one partition, without a changelog."""

    def __init__(self) -> None:
        self.state = LatestState(0, 7 * 86_400_000)

    async def judge(self, partition: int, entries: Sequence[LatestEntry]) -> list[LatestVerdict]:
        """A verdict for each entry."""
        return self.state.judge(entries)[0]


def envelope(offset: int, **changes: Any) -> Envelope:
    """An event of the use case plan-change."""
    fields: dict[str, Any] = {
        "version": VERSION, "topic_id": TOPIC_ID, "partition": 0, "seq": at(offset), "lane": HIGH, "account": "acct",
        "source": "/s", "id": f"e{offset}", "type": "member.plan.changed", "time": NOW - 1000, "appended": NOW - 900,
        "deadline": NOW + 60_000, "expires": NOW + 600_000, "content_type": "application/json", "payload": b"{}",
        "collapse_key": "member.plan.changed",
    }  # fmt: skip
    return Envelope(**{**fields, **changes})


def record(offset: int, timestamp: int = NOW, **changes: Any) -> FakeRecord:
    """A record of `events.high`."""
    return FakeRecord(offset, b"acct", encode(envelope(offset, **changes)), timestamp=timestamp)


async def notify(
    *records: FakeRecord, taken: int = -1, output: FakeOutput | None = None, table: Table | None = None
) -> FakeOutput:
    """Send records through the stage."""
    output = output or FakeOutput()
    handle = await notify_stage(make_stage("notify", output, lane=HIGH, table=table or Table()))
    await handle(FakeBatch("events.high", records))
    return output


def notifications(output: FakeOutput) -> list[Envelope]:
    """What was forwarded."""
    return [decode_envelope(sent.value or b"") for sent in output.to("notifications.high")]


def verdicts(output: FakeOutput) -> list[tuple[str, int]]:
    """Outcomes, short."""
    return [(o.kind, o.seq) for o in output.outcomes()]


async def test_a_notification_carries_the_target_of_its_use_case() -> None:
    """The producer's selection within what the use case allows; everything else unchanged."""
    output = await notify(record(1), record(2, collapse_key="", target=Predicate(types=4, ids=("d",), origin="o")))
    first, second = notifications(output)
    assert first.target == Predicate(types=31)
    assert second.target == Predicate(types=4, ids=("d",), origin="o")
    assert (first.seq, first.payload) == (at(1), b"{}")


async def test_copies_of_an_upstream_replay_are_dropped_and_counted() -> None:
    """Positions at or below the watermark, and repeats within the batch; watermark and clock rise, all is finished."""
    output = FakeOutput()
    stage = make_stage("notify", output, lane=HIGH, table=Table())
    handle = await notify_stage(stage)
    records = [record(1), record(3), record(3), record(2), record(4)]
    progress = await handle(FakeBatch("events.high", records, 0, at(1)))
    assert [n.seq for n in notifications(output)] == [at(3), at(4)]
    assert (progress, stage.metrics.copies) == (Progress(5, at(4), NOW), 3)


async def test_an_event_that_waited_too_long_is_stale() -> None:
    """Age is judged by log time, the latest append time so far, against the deadline set in `route`."""
    output = await notify(record(1, NOW + 60_000), record(2, NOW + 60_001), record(3, NOW))
    assert verdicts(output) == [("stale", at(2)), ("stale", at(3))]
    assert {o.detail for o in output.outcomes()} == {"notify: age 61001 ms, limit 61000 ms"}


async def test_an_older_version_is_superseded_and_ties_stand() -> None:
    """Over batches too; the outcome names the newer one."""
    table = Table()
    await notify(record(1, revision=2), table=table)
    output = await notify(record(2, revision=1), record(3, revision=2), record(4, revision=3), table=table)
    assert [n.seq for n in notifications(output)] == [at(3), at(4)]
    assert verdicts(output) == [("superseded", at(2))]
    assert output.outcomes()[0].detail == "by 0:1: 2 is newer than 1"


async def test_without_a_version_the_event_time_decides() -> None:
    """Versions and times are never compared with each other."""
    table = Table()
    await notify(record(1, time=NOW), record(2, revision=7), table=table)
    output = await notify(record(3, time=NOW - 1), record(4, time=NOW), table=table)
    assert verdicts(output) == [("superseded", at(3))]


async def test_other_targets_are_another_line() -> None:
    """An event for one device does not supersede one for another; without a collapse key nothing is superseded."""
    output = await notify(
        record(1, revision=2, target=Predicate(ids=("a",))),
        record(2, revision=1, target=Predicate(ids=("b",))),
        record(3, revision=1, collapse_key=""),
    )
    assert len(notifications(output)) == 3


async def test_a_selection_outside_of_the_use_case_has_no_target() -> None:
    """Diagnostics are for televisions and sticks: a phone cannot be meant."""
    output = await notify(record(1, type="device.diagnostics.requested", target=Predicate(types=4)))
    assert verdicts(output) == [("no-target", at(1))]


async def test_a_type_that_only_the_router_knows_goes_on_as_it_is() -> None:
    """During a roll-out the router may be newer."""
    output = await notify(record(1, type="brand.new", target=Predicate(types=4)))
    assert notifications(output)[0].target == Predicate(types=4)


@pytest.mark.parametrize(
    ("changes", "error"), [({"topic_id": b"else"}, ForeignTopic), ({"version": VERSION + 2}, UnknownVersion)]
)
async def test_a_record_of_another_world_stops_the_stage(changes: dict[str, Any], error: type[Exception]) -> None:
    """Another ingest topic under the same epoch, or a format of a far release: nothing is guessed."""
    with pytest.raises(error):
        await notify(record(1, **changes))


async def test_a_full_queue_is_waited_for() -> None:
    """The order stays."""
    output = await notify(record(1), record(2), output=FakeOutput(full=1))
    assert [n.seq for n in notifications(output)] == [at(1), at(2)]
