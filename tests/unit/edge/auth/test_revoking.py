"""Revocations end what their accounts hold open, and go on while Cassandra is away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from edge.auth.identity import Identity
from edge.auth.revoking import Revoking
from edge.protocol import Sessions
from edge.pull.waits import Wait
from sinks.cassandra import CassandraUnavailable
from tests.unit.edge.doubles import LANES, NOW


class FakeRevocations:
    """Fails, then tells of one account, then of nothing."""

    def __init__(self) -> None:
        self.asked = 0

    async def refresh(self) -> set[str]:
        """As the store does."""
        self.asked += 1
        if self.asked == 1:
            raise CassandraUnavailable("away")
        return {"alice"} if self.asked == 2 else set()


async def test_a_long_poll_of_a_revoked_account_ends() -> None:
    """The neighbour's waits on; a failed look is made up for by the next."""
    sessions = Sessions(LANES)
    waits = {account: Wait() for account in ("alice", "bob")}
    opened = {
        account: sessions.open(Identity("tv", account, "tv", NOW + 60.0), None, wait)[0]
        for account, wait in waits.items()
    }
    revocations: Any = FakeRevocations()
    task = asyncio.create_task(Revoking(sessions, revocations, 0.001).run())
    await asyncio.wait_for(waits["alice"].woken.wait(), 10)
    assert opened["alice"].is_gone()
    assert not opened["bob"].is_gone()
    assert not waits["bob"].woken.is_set()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert Revoking(sessions, revocations, 1).end(set()) == 0
