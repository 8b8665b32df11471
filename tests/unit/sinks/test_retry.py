"""The stage retry, with a clock and timers that the test moves."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from sinks import retry
from sinks.background import Tasks
from sinks.results import Result
from sinks.retry import SLOT_MS, Retrier
from sinks.settle import Settler
from streams.envelope import TICK, Push, decode_push, encode
from streams.logtime import Progress
from streams.stage import Life
from tests.unit.fakes import NOW, FakeBatch, FakeOutput, FakeRecord, at, make_stage
from tests.unit.sinks.make import push
from tests.unit.sinks.test_settle import RETRY, Forgetful


class Registry(Forgetful):
    """A registry that takes its time."""

    meanwhile: Callable[[], Awaitable[object]] | None = None  # awaited before a token is forgotten

    async def forget(self, account: str, device: str, token: str, at: int) -> bool:
        """Remember what was asked."""
        if self.meanwhile is not None:
            await self.meanwhile()
        return await super().forget(account, device, token, at)


class Scene:
    """A retry stage whose sink does as told, and whose timers go off when asked."""

    def __init__(self, status: str = "delivered") -> None:
        self.output = FakeOutput()
        self.failures: list[BaseException] = []
        self.delivered: list[Push] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.status: Any = status
        self.broken: Exception | None = None
        self.meanwhile: Callable[[], Awaitable[object]] | None = None  # awaited while the provider is asked
        self.now = NOW
        stage = make_stage("retry", self.output, lane=1, platform="webhook")
        self.stage = replace(stage, clock=lambda: self.now / 1000, fail=self.failures.append)
        self.registry = Registry()
        settler = Settler(self.stage, self.registry, lambda: 0.0)
        self.tasks = Tasks()
        self.retrier = Retrier(
            self.stage, self, settler, self.tasks, lambda delay, call: self.timers.append((delay, call))
        )
        self.life = Life()

    async def deliver(self, pushes: Sequence[Push]) -> list[Result]:
        """The sink."""
        if self.broken is not None:
            raise self.broken
        if self.meanwhile is not None:
            await self.meanwhile()
        self.delivered += [each for each in pushes if each.targets]
        return [Result(n, t[0], self.status, "why") for n, each in enumerate(pushes) for t in each.targets]

    async def take(self, *values: bytes, first: int = 0, partition: int = 0) -> Progress:
        """A batch of records, from an offset on."""
        records = [FakeRecord(first + n, b"anna", value) for n, value in enumerate(values)]
        return await self.retrier.handle(FakeBatch(RETRY, records, partition=partition, life=self.life))

    async def go_off(self) -> list[float]:
        """Let all timers go off, and their tasks end; the delays they had, s."""
        timers, self.timers = self.timers, []
        for _, call in timers:
            call()
        for _ in range(10):
            await asyncio.sleep(0)
        return [delay for delay, _ in timers]


def _waiting(offset: int, due: int, **changes: Any) -> bytes:
    targets = ((changes.pop("device", "tv"), 0, 0, 0),)
    return encode(push(offset, targets=targets, tokens=(b"token",), attempt=1, due=due, **changes))


async def test_nothing_leaves_before_its_time_and_nothing_is_committed() -> None:
    """The handler does not wait: it says that the partition is done up to the first record that is held."""
    scene = Scene()
    assert await scene.take(_waiting(1, NOW + 5000), _waiting(2, NOW), first=7) == Progress(7, -1, -1)
    assert (scene.delivered, scene.stage.metrics.held) == ([], 2)
    assert await scene.go_off() == [5.0, 0.0]
    assert [each.seq for each in scene.delivered] == [at(1), at(2)]
    assert [(o.kind, o.seq) for o in scene.output.outcomes()] == [("accepted", at(1)), ("accepted", at(2))]
    ticks = scene.output.to(RETRY)
    assert [(tick.partition, tick.value) for tick in ticks] == [(0, TICK), (0, TICK)]
    assert await scene.take(TICK, TICK, first=9) == Progress(11, -1, -1)
    assert scene.stage.metrics.held == 0


async def test_one_that_is_held_longer_holds_the_commit_only() -> None:
    """Those behind it leave at their time."""
    scene = Scene()
    await scene.take(_waiting(1, NOW + 60_000), _waiting(2, NOW))
    late, soon = scene.timers
    scene.timers = [soon]
    await scene.go_off()
    assert [each.seq for each in scene.delivered] == [at(2)]
    assert await scene.take(TICK, first=2) == Progress(0, -1, -1)
    scene.timers = [late]
    await scene.go_off()
    assert await scene.take(TICK, first=3) == Progress(4, -1, -1)


async def test_what_is_due_together_leaves_together() -> None:
    """Of one partition, within a slot."""
    scene = Scene()
    await scene.take(_waiting(1, NOW + 1), _waiting(2, NOW + SLOT_MS))
    await scene.take(_waiting(3, NOW + SLOT_MS), partition=1)
    assert len(scene.timers) == 2


async def test_what_fails_again_is_queued_again() -> None:
    """With one attempt more, before its record is passed over."""
    scene = Scene("later")
    await scene.take(_waiting(1, NOW))
    await scene.go_off()
    again, tick = scene.output.to(RETRY)
    queued = decode_push(again.value or b"")
    assert (queued.attempt, queued.due, tick.value) == (2, NOW + 1000, TICK)
    assert scene.output.outcomes()[0].detail == f"why; attempt 3 at {NOW + 1000}"


async def test_what_is_too_late_when_it_is_due_is_over() -> None:
    """The provider is not asked."""
    scene = Scene()
    await scene.take(_waiting(1, NOW + 1000))
    scene.now += 61_000
    await scene.go_off()
    assert (scene.delivered, scene.output.outcomes()[0].detail) == ([], "late: by 1000 ms")
    assert await scene.take(TICK, first=1) == Progress(2, -1, -1)


async def test_a_partition_that_went_away_is_another_ones() -> None:
    """What is held of it is dropped: whoever reads it tries all of it."""
    scene = Scene()
    await scene.take(_waiting(1, NOW))
    scene.life.over = True
    scene.life = Life()
    await scene.take(_waiting(1, NOW))
    assert scene.stage.metrics.ended["given-back"] == 1
    await scene.go_off()
    assert [each.seq for each in scene.delivered] == [at(1)]
    assert len(scene.output.outcomes()) == 1


async def test_a_partition_that_goes_away_meanwhile_is_not_reported() -> None:
    """Its records are not done here."""
    scene = Scene()
    await scene.take(_waiting(1, NOW))

    async def lose() -> None:
        scene.life.over = True

    scene.meanwhile = lose
    await scene.go_off()
    assert (len(scene.delivered), scene.output.sent) == (1, [])


async def test_a_partition_that_goes_away_while_results_are_settled_harms_nothing() -> None:
    """Its next life has offsets of its own that are held: those are done when they are tried again."""
    scene = Scene("gone")
    await scene.take(_waiting(1, NOW))

    async def lose() -> None:
        scene.life.over = True
        scene.life = Life()
        await scene.take(_waiting(1, NOW + 5000))

    scene.registry.meanwhile = lose
    await scene.go_off()
    assert scene.failures == []
    assert (scene.stage.metrics.ended, scene.stage.metrics.held) == ({"given-back": 1}, 1)
    assert await scene.take(TICK, first=1) == Progress(0, -1, -1)


async def test_a_partition_that_went_away_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was held of it fills nothing, though its slots come to nothing."""
    monkeypatch.setattr(retry, "MOST", 2)
    monkeypatch.setattr(retry, "_LOOK_AGAIN_S", 0.001)
    scene = Scene()
    await scene.take(_waiting(1, NOW), _waiting(2, NOW))
    scene.life.over = True
    scene.life = Life()
    await scene.go_off()
    assert await asyncio.wait_for(scene.take(_waiting(1, NOW), partition=1), 5) == Progress(0, -1, -1)
    assert scene.stage.metrics.held == 1


async def test_large_ones_fill_the_stage_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the bytes of their records; the next batch waits, whole and in its place, until some are done."""
    one, two, three = _waiting(1, NOW + 5000), _waiting(2, NOW), _waiting(3, NOW)
    monkeypatch.setattr(retry, "MOST_BYTES", len(one) + len(two))
    monkeypatch.setattr(retry, "_LOOK_AGAIN_S", 0.001)
    scene = Scene()
    await scene.take(one, two)
    late, soon = scene.timers
    scene.timers = [soon]
    waiting = asyncio.create_task(scene.take(three, first=2))
    await asyncio.sleep(0.01)
    assert (waiting.done(), scene.stage.metrics.held) == (False, 2)
    await scene.go_off()
    assert await asyncio.wait_for(waiting, 5) == Progress(0, -1, -1)
    await scene.go_off()
    scene.timers = [late]
    await scene.go_off()
    assert [each.seq for each in scene.delivered] == [at(2), at(3), at(1)]
    assert await scene.take(TICK, first=3) == Progress(4, -1, -1)


async def test_what_was_held_of_a_partition_that_went_away_takes_no_memory() -> None:
    """However far off its time is: a partition that comes and goes does not fill the process."""
    scene = Scene()
    life = scene.life
    unused = sys.getrefcount(life)  # whatever is held has a reference to it
    await scene.take(_waiting(1, NOW + 5000))
    assert sys.getrefcount(life) > unused
    life.over = True
    scene.life = Life()
    await scene.take(TICK, partition=1)
    assert sys.getrefcount(life) < unused
    await scene.go_off()
    assert (scene.delivered, scene.failures) == ([], [])


async def test_a_failure_ends_the_process() -> None:
    """Nothing is swallowed, nothing is committed."""
    scene = Scene()
    scene.broken = RuntimeError("broken")
    await scene.take(_waiting(1, NOW))
    await scene.go_off()
    assert [str(error) for error in scene.failures] == ["broken"]
    assert await scene.take(TICK, first=1) == Progress(0, -1, -1)


async def test_tasks_end_with_the_worker() -> None:
    """What is under way is cancelled, and that is no failure."""
    scene = Scene()
    scene.meanwhile = asyncio.Event().wait
    await scene.take(_waiting(1, NOW))
    await scene.go_off()
    await scene.tasks.stop()
    assert (scene.failures, scene.output.sent) == ([], [])
