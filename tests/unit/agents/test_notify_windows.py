"""The stage `notify` in a lane with a window: what is held, what leaves together, and where a restart begins."""

from __future__ import annotations

import json
from typing import Any

from agents.notify import Notifier
from agents.ticks import SLACK_S
from streams.envelope import TICK, Envelope, decode_envelope, encode
from streams.logtime import Progress
from streams.outcomes import Outcome
from streams.stage import Life
from streams.targets import Predicate
from tests.unit.agents.fake_clock import FakeClock
from tests.unit.agents.test_merge import ids_of, titles
from tests.unit.agents.test_notify import Table, envelope
from tests.unit.fakes import NOW, FakeBatch, FakeOutput, FakeRecord, Sent, at, make_stage

NORMAL = 2
WINDOW = 200  # ms, as shipped


class Rig:
    """The stage on one partition, over one life after the other; `table` outlives them."""

    def __init__(self, table: Table | None = None) -> None:
        self.output = FakeOutput()
        self.clock = FakeClock()
        self.stage = make_stage("notify", self.output, lane=NORMAL, table=table or Table())
        self.notifier = Notifier(self.stage, self.clock.later)
        self.life = Life()

    async def handle(self, *records: FakeRecord, taken: int = -1, clock: int = -1) -> Progress:
        """Send a batch through the stage."""
        return await self.notifier.handle(FakeBatch("events.normal", records, 3, taken, clock, self.life))

    def notifications(self) -> list[Envelope]:
        """What was forwarded."""
        return [decode_envelope(sent.value or b"") for sent in self.output.to("notifications.normal")]

    def events(self) -> list[tuple[str, ...]]:
        """Ids of the events of what was forwarded."""
        return [ids_of(e) for e in self.notifications()]

    def verdicts(self) -> list[tuple[str, int, str]]:
        """Outcomes, short."""
        return [(o.kind, o.seq, o.detail) for o in self.output.outcomes()]


def record(offset: int, ms: int = 0, **changes: Any) -> FakeRecord:
    """A change of My List, appended `ms` after a window has begun."""
    payload = json.dumps(titles([offset])).encode()
    fields = {"lane": NORMAL, "type": "member.list.changed", "collapse_key": "", "payload": payload, **changes}
    return FakeRecord(offset, b"acct", encode(envelope(offset, **fields)), timestamp=NOW + ms)


def viewing(offset: int, ms: int = 0, **changes: Any) -> FakeRecord:
    """A viewing position of a title."""
    return record(offset, ms, **{"type": "member.viewing.updated", "collapse_key": "title-1", **changes})


def tick(offset: int, ms: int) -> FakeRecord:
    """A tick."""
    return FakeRecord(offset, None, TICK, timestamp=NOW + ms)


async def test_what_a_window_holds_leaves_together_at_its_end() -> None:
    """Over batches, in the order of positions, keyless ones too; each that was folded says into which."""
    rig = Rig()
    await rig.handle(record(1), viewing(2, 10, collapse_key=""), record(3, 20))
    await rig.handle(viewing(4, 30), record(5, 199, account="b"))
    assert (rig.events(), rig.output.outcomes()) == ([], [])
    await rig.handle(record(6, WINDOW))
    assert rig.events() == [("e2",), ("e1", "e3"), ("e4",), ("e5",)]
    assert [json.loads(e.payload) for e in rig.notifications()][1] == titles([1, 3])
    assert rig.output.outcomes() == [Outcome("merged", "acct", at(1), detail="into 3:3")]
    assert {sent.partition for sent in rig.output.sent} == {3}
    assert [sent.key for sent in rig.output.to("notifications.normal")] == [b"acct"] * 3 + [b"b"]


async def test_the_commit_stands_before_the_first_that_is_held() -> None:
    """With the watermark and the clock below it; behind everything where nothing is held."""
    rig = Rig()
    stale = record(5, 10, deadline=NOW - 1)
    assert await rig.handle(stale, taken=at(2), clock=NOW - 7) == Progress(6, at(5), NOW + 10)
    assert await rig.handle(record(6, 20), record(7, 30)) == Progress(6, at(5), NOW + 10)
    assert await rig.handle(record(8, WINDOW + 1)) == Progress(8, at(7), NOW + 30)
    assert await rig.handle(tick(9, 2 * WINDOW)) == Progress(10, at(8), NOW + 2 * WINDOW)


async def test_a_late_record_joins_the_open_window() -> None:
    """Its own time is over, and the clock does not go back."""
    rig = Rig()
    await rig.handle(record(1), record(2, WINDOW), record(3, 5), tick(4, 2 * WINDOW))
    assert rig.events() == [("e1",), ("e2", "e3")]


async def test_a_restart_makes_the_same_notifications() -> None:
    """Another process reads from the commit: what it forwards is what was forwarded, byte for byte."""
    log = [record(0), viewing(1, 50, revision=2), viewing(2, 60, revision=1), record(3, 150), tick(4, 210),
           record(5, 190), record(6, 399), record(7, 401), tick(8, 700)]  # fmt: skip
    whole = Rig()
    for one in log:
        await whole.handle(one)
    for cut in range(1, len(log)):
        table = Table()
        first, second = Rig(table), Rig(table)
        for one in log[:cut]:
            progress = await first.handle(one)
        await second.handle(*log[progress.offset :], taken=progress.taken, clock=progress.clock)
        sent = first.output.to("notifications.normal") + second.output.to("notifications.normal")
        assert sent == whole.output.to("notifications.normal"), cut


async def test_a_seek_forgets_what_is_held() -> None:
    """The next life reads it again; nothing of the old one leaves."""
    rig = Rig()
    await rig.handle(record(1), record(2, 10))
    rig.life.over = True
    rig.life = Life()
    await rig.handle(record(2, 10), taken=at(1), clock=NOW)
    await rig.handle(tick(3, WINDOW))
    assert rig.events() == [("e2",)]


async def test_superseded_is_judged_when_the_window_closes() -> None:
    """What was folded is merged; what stands for it may be superseded by what left before."""
    rig = Rig()
    await rig.handle(viewing(1, revision=5), tick(2, WINDOW))
    await rig.handle(viewing(3, 210, revision=3), viewing(4, 220, revision=4), viewing(5, 230, revision=2))
    assert rig.output.outcomes() == []
    await rig.handle(tick(6, 2 * WINDOW))
    assert rig.verdicts() == [
        ("merged", at(3), "into 3:5"), ("merged", at(4), "into 3:5"),
        ("superseded", at(5), "by 3:1: 5 is newer than 4"),
    ]  # fmt: skip


async def test_no_union_supersedes_another() -> None:
    """Also where the producer gives a collapse key: each holds changes that the other lacks."""
    rig = Rig()
    await rig.handle(record(1, collapse_key="kids", revision=2), tick(2, WINDOW))
    await rig.handle(record(3, 210, collapse_key="kids", revision=1), tick(4, 2 * WINDOW))
    assert rig.events() == [("e1",), ("e3",)]


async def test_refusals_are_told_at_once_and_by_log_time() -> None:
    """Too old by the clock of the log, and without a target: they hold nothing up."""
    rig = Rig()
    old = record(2, 0, deadline=NOW + 99)
    await rig.handle(record(1, 100), old, record(3, 1, type="device.diagnostics.requested", target=Predicate(types=4)))
    assert [(kind, seq) for kind, seq, _ in rig.verdicts()] == [("stale", at(2)), ("no-target", at(3))]


async def test_an_idle_window_is_ended_by_a_tick_into_the_own_input() -> None:
    """After its end by the wall clock; with the tick read, it leaves, and nothing more is written."""
    rig = Rig()
    await rig.handle(record(1, 50))
    rig.clock.pass_to(0.15)
    assert rig.output.sent == []
    rig.clock.pass_to(0.15 + SLACK_S)
    assert rig.output.sent == [Sent("events.normal", 3, None, TICK, None)]
    await rig.handle(tick(2, 230))
    assert rig.events() == [("e1",)]
    rig.clock.pass_to(60.0)
    assert len(rig.output.to("events.normal")) == 1


async def test_a_lane_without_a_window_holds_nothing() -> None:
    """No tick, no merge: all of a batch leaves with it."""
    output, clock = FakeOutput(), FakeClock()
    notifier = Notifier(make_stage("notify", output, lane=1, table=Table()), clock.later)
    await notifier.handle(FakeBatch("events.high", [record(1), record(2)]))
    assert [decode_envelope(sent.value or b"").id for sent in output.to("notifications.high")] == ["e1", "e2"]
    assert clock.calls == []


async def test_what_is_held_is_in_flight_and_what_is_taken_again_is_given_back() -> None:
    """Metrics know each record once: what was held of a partition that was revoked comes again."""
    rig = Rig()
    metrics = rig.stage.metrics
    await rig.handle(record(1), record(2, 10), tick(3, 20))
    assert (metrics.sums().in_flight, metrics.ended) == (2, {})
    rig.life.over = True
    rig.life = Life()
    await rig.handle(record(1))
    assert (metrics.sums().in_flight, metrics.ended) == (1, {"given-back": 2})
    await rig.handle(tick(4, WINDOW))
    assert metrics.sums().in_flight == 0
