"""The stores of the console come when they come, however often it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge.console import stores
from edge.console.stores import Later
from edge.problems import Problem
from sinks import cassandra, redis
from sinks.cassandra import CassandraUnavailable
from sinks.devices import Registry
from sinks.inbox import InboxReader
from sinks.last_seen import LastSeen
from streams.settings import Settings
from tests.unit.fakes import shipped_topology

TRIES = 3


class Sessions:
    """Counts the sessions of Cassandra that are open; of the first ones nothing can be prepared."""

    def __init__(self) -> None:
        self.open = self.opened = 0
        self.good = asyncio.Event()

    @asynccontextmanager
    async def connect(self, settings: Settings) -> AsyncIterator[None]:
        """One session more."""
        self.open, self.opened = self.open + 1, self.opened + 1
        try:
            yield
        finally:
            self.open -= 1

    async def prepared(self, *parts: Any) -> str:
        """What a part is made of."""
        if self.opened < TRIES:
            raise CassandraUnavailable("not yet")
        self.good.set()
        return "part"


@asynccontextmanager
async def nothing(settings: Settings) -> AsyncIterator[None]:
    """A store that is not looked at."""
    yield


async def test_a_session_that_cannot_be_used_is_closed_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a Cassandra that comes and goes costs no session each time; the last one is closed with the console."""
    sessions = Sessions()
    monkeypatch.setattr(stores, "_AGAIN_S", 0.0)
    monkeypatch.setattr(stores, "connect_gateways", nothing)
    monkeypatch.setattr(redis, "reconnecting", nothing)
    monkeypatch.setattr(cassandra, "connect", sessions.connect)
    for part in (Registry, InboxReader, LastSeen):
        monkeypatch.setattr(part, "open", sessions.prepared)
    later = Later(Settings(), shipped_topology())
    with pytest.raises(Problem, match="not connected yet"):
        later.get()
    running = asyncio.create_task(later.run())
    async with asyncio.timeout(10):
        await sessions.good.wait()
    assert later.get()
    assert sessions.open == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sessions.open == 0
