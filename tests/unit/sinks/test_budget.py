"""Budgets while there is no Redis to count them; with one they are tried beside the platforms that have them."""

from __future__ import annotations

from typing import Any

from sinks.budget import _GIVE_BACK, _TAKE, Budget, Quota, Rate
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


class Asked:
    """In the place of Redis: devices have room, the project has it for one; remembers each trip."""

    def __init__(self) -> None:
        self.trips: list[tuple[bytes, ...]] = []

    async def run(self, *commands: bytes) -> list[Any]:
        """One trip."""
        self.trips.append(commands)
        if _TAKE.digest in commands[0]:
            return [[1, 9000]]
        return [0 if len(self.trips) == 1 or _GIVE_BACK.digest in each else 9000 for each in commands]


async def test_what_the_project_has_no_room_for_is_given_back_to_the_device() -> None:
    """In the trip that asks who wakes it: the first may go, the second has used nothing up."""
    asked: Any = Asked()
    rates = (Rate(b"min", 2, 500), Rate(b"hour", 9, 7000))
    budget = Budget(asked, "fcm", lambda _: rates, Quota(b"project", rates[0]))
    first, second = await budget.admit([Note(push(n), "phone", b"token-%d" % n) for n in range(2)])
    assert first is None
    assert second is not None
    assert (second.status, second.after) == ("later", 9000)
    uses, _, (_, given_back) = asked.trips
    key = uses[1].partition(b"bg:{")[2].partition(b"}")[0]
    assert given_back == _GIVE_BACK.call((b"bg:{%b}" % key,), b"min", b"500", b"hour", b"7000")
