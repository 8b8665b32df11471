"""Holding while Redis is away: where partitions stand, and what ends the process."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from sinks import outage as module
from sinks.outage import Outage, RedisIsBack
from sinks.redis import RedisUnavailable
from streams.logtime import Progress
from streams.stage import Life
from tests.unit.fakes import FakeBatch, FakeRecord, at

AWAY = RedisUnavailable("away")


class Scene:
    """An outage, a Redis that has a life, and a probe that fails so many times."""

    def __init__(self, run_id: bytes = b"one") -> None:
        self.redis = type("Redis", (), {"run_id": run_id})()
        self.failed: asyncio.Queue[BaseException] = asyncio.Queue()
        self.outage = Outage(cast(Any, self.redis), self.failed.put_nowait)
        self.failures = 2

    async def probe(self) -> None:
        """What Redis refused."""
        if self.failures:
            self.failures -= 1
            raise AWAY
        self.outage.check()

    def hold(self, first: int, partition: int = 0, life: Life | None = None) -> Progress:
        """Hold a batch that begins at this offset."""
        return self.outage.hold(batch(first, partition, life), AWAY, self.probe)


def batch(first: int, partition: int = 0, life: Life | None = None) -> FakeBatch:
    """Two records, the one before them taken."""
    records = [FakeRecord(first, b"", b""), FakeRecord(first + 1, b"", b"")]
    return FakeBatch("notifications.high", records, partition, at(first - 1), 7, life or Life())


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(module, "_LOOK_S", 0.0)


async def test_a_partition_stands_before_its_first_held_batch() -> None:
    """Until it is read anew, or for good."""
    scene, life = Scene(), Life()
    assert not scene.outage.is_on()
    assert scene.hold(5, life=life) == Progress(5, at(4), 7)
    assert scene.outage.is_on()
    assert scene.outage.held(0, life) == Progress(5, at(4), 7)
    assert scene.outage.held(0, Life()) is None
    assert scene.outage.held(1, life) is None


async def test_the_process_ends_when_redis_answers_again() -> None:
    """The same life too: what was held is nowhere but in the inbox."""
    scene = Scene()
    scene.hold(5)
    scene.hold(3, partition=1)
    assert isinstance(await asyncio.wait_for(scene.failed.get(), 5), RedisIsBack)
    assert (scene.failures, scene.failed.empty()) == (0, True)


async def test_the_process_ends_when_another_redis_answers() -> None:
    """At the next batch, or while something is held."""
    scene = Scene()
    scene.outage.check()
    scene.redis.run_id = b"two"
    with pytest.raises(RedisIsBack, match="another life"):
        scene.outage.check()
    scene.hold(5)
    assert "another life" in str(await asyncio.wait_for(scene.failed.get(), 5))


async def test_what_nobody_thought_of_ends_the_process() -> None:
    """Nothing would ever be acked again."""
    scene = Scene()

    async def probe() -> None:
        raise ValueError("odd")

    scene.outage.hold(batch(5), AWAY, probe)
    assert str(await asyncio.wait_for(scene.failed.get(), 5)) == "odd"


async def test_the_first_redis_that_comes_is_its_own() -> None:
    """A process may start before it."""
    scene = Scene(b"")
    scene.outage.check()
    scene.redis.run_id = b"one"
    scene.outage.check()
    scene.redis.run_id = b"two"
    with pytest.raises(RedisIsBack):
        scene.outage.check()
