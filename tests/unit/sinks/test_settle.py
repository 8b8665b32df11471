"""What follows from the results of a provider, with a registry that only remembers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sinks.cassandra import CassandraUnavailable
from sinks.push import report
from sinks.results import Result
from sinks.settle import AT_ONCE, Settler
from streams.envelope import Push, decode_push
from streams.outcomes import Outcome
from tests.unit.fakes import NOW, FakeOutput, at, make_stage
from tests.unit.sinks.make import push

TWO: dict[str, Any] = {"targets": (("a", 0, 0, 0), ("b", 0, 0, 0)), "tokens": (b"token-a", b"token-b")}
RETRY = "push.webhook.high.retry"


class Forgetful:
    """A registry."""

    def __init__(self, away: bool = False) -> None:
        self.told: list[tuple[str, str, str, int]] = []
        self._away = away

    async def forget(self, account: str, device: str, token: str, at: int) -> bool:
        """Remember what was asked."""
        self.told.append((account, device, token, at))
        if self._away:
            raise CassandraUnavailable("away")
        return True


async def _settle(
    pushes: list[Push], *results: Result, registry: Forgetful | None = None, full: int = 0
) -> tuple[FakeOutput, list[Outcome], Settler]:
    output = FakeOutput(full=full)
    settler = Settler(make_stage("push", output, lane=1, platform="webhook"), registry or Forgetful(), lambda: 0.0)
    said = await settler.settle(3, pushes, results)
    return output, report(pushes, said, settler.delivered), settler


async def test_what_is_taken_is_accepted() -> None:
    """A provider tells no more."""
    output, outcomes, _ = await _settle([push(1, **TWO)], Result(0, "a", "delivered"), Result(0, "b", "delivered"))
    assert [(o.kind, o.seq, o.devices) for o in outcomes] == [("accepted", at(1), ("a", "b"))]
    assert output.sent == []


async def test_what_is_to_come_later_goes_to_the_retry_topic() -> None:
    """For that device alone, into the same partition, with its time."""
    output, outcomes, _ = await _settle(
        [push(1, **TWO, others=(("c", 5, 1, NOW),))],
        Result(0, "a", "delivered"),
        Result(0, "b", "later", "timeout", after=2000),
        full=1,
    )
    (sent,) = output.to(RETRY)
    again = decode_push(sent.value or b"")
    assert (sent.partition, sent.key) == (3, b"anna")
    assert (again.targets, again.tokens, again.others) == ((("b", 0, 0, 0),), (b"token-b",), ())
    assert (again.seq, again.attempt, again.due, again.payload) == (at(1), 1, NOW + 2000, push(1).payload)
    assert [(o.kind, o.devices, o.detail) for o in outcomes] == [
        ("accepted", ("a",), ""),
        ("undeliverable", ("b",), f"timeout; attempt 2 at {NOW + 2000}"),
    ]


async def test_a_provider_that_was_not_asked_is_no_attempt() -> None:
    """Pauses do not grow while a circuit is open."""
    result = Result(0, "b", "later", "circuit-open", after=9000, tried=False)
    output, _, _ = await _settle([push(1, **TWO, attempt=4)], result)
    assert decode_push(output.to(RETRY)[0].value or b"").attempt == 4


async def test_nothing_is_tried_after_its_last_moment() -> None:
    """The inbox has it."""
    result = Result(0, "b", "later", "timeout", after=60_001)
    output, outcomes, _ = await _settle([push(1, **TWO)], result)
    assert output.sent == []
    assert outcomes[0].detail == "timeout; no time for another attempt"


async def test_a_wake_up_has_no_content_and_lives_as_long_as_the_row() -> None:
    """It says that there is something to pull."""
    result = Result(0, "b", "later", "over budget", after=600_000, sync=True)
    output, _, _ = await _settle([push(1, **TWO)], result)
    again = decode_push(output.to(RETRY)[0].value or b"")
    assert (again.wake, again.payload, again.deadline) == ("sync", b"", push(1).expires)


async def test_what_is_gone_is_forgotten() -> None:
    """The token that was tried, with what the provider said of the time."""
    registry = Forgetful()
    _, outcomes, settler = await _settle([push(1, **TWO)], Result(0, "b", "gone", "410", at=77), registry=registry)
    assert (registry.told, settler.forgotten) == ([("anna", "b", "token-b", 77)], 1)
    assert (outcomes[0].kind, outcomes[0].detail) == ("undeliverable", "410")


class Slow(Forgetful):
    """A registry that needs a while, and counts how many it is asked for at once."""

    now = most = 0

    async def forget(self, account: str, device: str, token: str, at: int) -> bool:
        """Remember what was asked."""
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        return await super().forget(account, device, token, at)


@pytest.mark.parametrize("away", [False, True])
async def test_many_that_are_gone_are_forgotten_together(away: bool) -> None:
    """So many at once; where the registry is away each of those is told so, and the rest is not asked for."""
    registry = Slow(away)
    many = [push(n, **TWO) for n in range(2 * AT_ONCE)]
    gone = [Result(n, "a", "gone", "410") for n in range(len(many))]
    _, outcomes, settler = await _settle(many, *gone, registry=registry)
    assert (registry.most, len(outcomes)) == (AT_ONCE, len(many))
    assert (len(registry.told), settler.forgotten) == ((AT_ONCE, 0) if away else (len(many), len(many)))


async def test_a_registry_that_is_away_keeps_the_token() -> None:
    """The next push is told again that it is gone."""
    _, outcomes, settler = await _settle([push(1, **TWO)], Result(0, "b", "gone"), registry=Forgetful(away=True))
    assert (settler.forgotten, outcomes[0].detail) == (0, "gone")
