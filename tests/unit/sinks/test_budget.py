"""Budgets while there is no Redis to count them; with one they are tried beside the platforms that have them."""

from __future__ import annotations

from sinks.budget import Budget, Quota, Rate
from sinks.each import Note
from sinks.redis import Redis
from streams.settings import Settings
from tests.unit.sinks.make import push


async def test_without_redis_all_may_go() -> None:
    """The provider counts too."""
    rate = Rate(b"hour", 1, 10**9)
    budget = Budget(Redis(Settings().redis), "fcm", lambda _: (rate,), Quota(b"project", rate))
    notes = [Note(push(n), "phone", b"token") for n in range(3)]
    assert list(await budget.admit(notes)) == [None] * 3
    assert budget.exceeded == 0
