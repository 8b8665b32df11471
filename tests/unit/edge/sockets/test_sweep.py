"""The sweep: who is behind the heads is synced, who was only waiting for a push is not, and reads are paced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from edge.auth.identity import Identity
from edge.protocol import Session, Sessions, State
from edge.sockets import sweep as module
from edge.sockets.sweep import Sweep
from sinks.redis import RedisUnavailable
from tests.unit.edge.doubles import LANES, NOW, FakeLink, note


@dataclass
class FakeRedis:
    """The heads of accounts, and the life they are of."""

    run_id: bytes = b"one"
    heads: dict[str, tuple[int, ...]] = field(default_factory=dict)
    reads: int = 0
    failures: int = 0
    hook: Callable[[], object] = lambda: None

    async def read(self, account: str) -> tuple[int, ...]:
        """As Heads does."""
        await asyncio.sleep(0)
        self.reads += 1
        if self.failures:
            self.failures -= 1
            raise RedisUnavailable("away")
        self.hook()
        return self.heads[account]


class Scene:
    """Live sessions at position 5 of each lane, and heads at the same place."""

    def __init__(self, number: int) -> None:
        self.sessions, self.redis = Sessions(LANES), FakeRedis()
        self.synced: list[str] = []
        for n in range(number):
            self.open(f"account-{n}")
        redis = cast(Any, self.redis)
        self.sweep = Sweep(self.sessions, redis, redis, self.sync, 0.01)

    def open(self, account: str) -> Session:
        """A live session."""
        session, _ = self.sessions.open(Identity("tv", account, "tv", NOW), None, FakeLink())
        session.state, session.positions = State.LIVE, [5, 5, 5, 5]
        self.redis.heads[account] = (5, 5, 5, 5)
        return session

    def sync(self, session: Session) -> None:
        """Remember."""
        self.synced.append(session.account)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Without waiting for pushes on their way."""
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    return Scene(3)


async def test_who_is_behind_in_any_lane_is_synced(scene: Scene) -> None:
    """The others are left alone."""
    scene.redis.heads["account-1"] = (5, 5, 5, 6)
    await scene.sweep.once()
    assert scene.synced == ["account-1"]
    assert scene.sessions.counts.swept == 1


async def test_a_push_that_comes_in_time_spares_the_sync(scene: Scene) -> None:
    """Its head was read while it was on its way."""
    scene.redis.heads["account-1"] = (5, 5, 5, 6)
    scene.redis.hook = lambda: scene.sessions.push([note(3, 5, 6, "tv", account="account-1")], NOW * 1000)
    await scene.sweep.once()
    assert scene.synced == []


async def test_unknown_heads_are_checked_once_in_a_life_of_redis(scene: Scene) -> None:
    """And again in the next one."""
    scene.redis.heads["account-2"] = (5, -1, 5, 5)
    await scene.sweep.once()
    await scene.sweep.once()
    assert scene.synced == ["account-2"]
    scene.redis.run_id = b"two"
    await scene.sweep.once()
    assert scene.synced == ["account-2"] * 2


async def test_only_live_sessions_are_compared(scene: Scene) -> None:
    """The others read their inbox anyway, or are gone."""
    for session, state in zip(scene.sessions.all(), (State.SYNC, State.GONE, State.LIVE), strict=True):
        session.state = state
        scene.redis.heads[session.account] = (9, 9, 9, 9)
    await scene.sweep.once()
    assert scene.synced == ["account-2"]


async def test_reads_are_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most so many a second, also where many sessions are behind."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note_wait(seconds: float) -> None:
        if seconds:
            waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("edge.sockets.sweep.asyncio.sleep", note_wait)
    scene = Scene(201)
    for account in scene.redis.heads:
        scene.redis.heads[account] = (6, 6, 6, 6)
    await scene.sweep.once()
    assert len(scene.synced) == 201
    assert waits == [0.05] * 5 + [5.0] + [0.05] * 4


async def test_it_comes_again_also_after_redis_was_away(scene: Scene) -> None:
    """Period after period, until it is cancelled."""
    done = asyncio.Event()
    scene.redis.heads["account-0"] = (6, 6, 6, 6)
    scene.redis.failures = 1
    scene.sweep._sync = lambda session: done.set()
    task = asyncio.create_task(scene.sweep.run())
    await asyncio.wait_for(done.wait(), 5)
    assert scene.redis.reads >= 6
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
