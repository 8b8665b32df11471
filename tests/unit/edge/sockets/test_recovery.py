"""Recovery: every session once for each loss, and again while a store is away."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from edge.auth.identity import Identity
from edge.protocol import Session, Sessions, State
from edge.sockets import recovery
from edge.sockets.recovery import Recovery
from sinks.redis import RedisUnavailable
from tests.unit.edge.doubles import LANES, NOW, FakeLink


class Changing:
    """The run id of Redis, and the lease."""

    run_id = b"one"
    lapsed = 0


class Scene:
    """Three sessions: registered, not yet registered, gone."""

    def __init__(self) -> None:
        self.sessions, self.facts = Sessions(LANES), Changing()
        self.made = [self.session(name) for name in ("tv", "new", "gone")]
        self.made[0].epoch = self.made[2].epoch = 100
        self.made[2].state = State.GONE
        self.recovered: list[str] = []
        self.failures = 0
        self.done = asyncio.Semaphore(0)
        facts = cast(Any, self.facts)
        self.recovery = Recovery(self.sessions, facts, facts, self.recover)

    def session(self, name: str) -> Session:
        """A session of a device."""
        return self.sessions.open(Identity(name, "alice", "tv", NOW), None, FakeLink())[0]

    async def recover(self, session: Session) -> None:
        """As the gateway does."""
        if self.failures:
            self.failures -= 1
            raise RedisUnavailable("away")
        self.recovered.append(session.device)
        self.done.release()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Nothing was lost yet."""
    monkeypatch.setattr(recovery, "_LOOK_S", 0.001)
    monkeypatch.setattr(recovery, "_RETRY_S", 0.001)
    return Scene()


async def test_a_new_life_of_redis_and_a_lapsed_lease(scene: Scene) -> None:
    """Each recovers the sessions that have a presence to lose; failures are tried again."""
    task = asyncio.create_task(scene.recovery.run())
    for _ in range(3):
        await asyncio.sleep(0.002)
    assert scene.recovered == []
    scene.failures = 2
    scene.facts.run_id = b"two"
    await asyncio.wait_for(scene.done.acquire(), 5)
    scene.facts.lapsed = 1
    await asyncio.wait_for(scene.done.acquire(), 5)
    assert scene.recovered == ["tv", "tv"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
