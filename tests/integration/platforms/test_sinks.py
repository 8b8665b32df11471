"""One suite over all sinks and the stub."""

from __future__ import annotations

import pytest

from sinks.breaker import FAILURES
from tests.integration.platforms.cases import BUSY, FAULT, GONE, HANG, OK, PAUSE_S, REFUSED, Running


async def test_a_device_gets_the_notification(platform: Running) -> None:
    """What a pull would show, but for the cursor."""
    push = platform.push(1, OK)
    assert await platform.statuses(OK) == ["delivered"]
    (seen,) = platform.case.seen
    assert seen.content["id"] == push.id.hex()
    assert seen.content["data"] == {"plan": "family"}
    assert seen.content["lane"] == "high"


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [(GONE, "gone"), (BUSY, "later"), (FAULT, "later"), (REFUSED, "refused"), (HANG, "later")],
)
async def test_each_device_fares_by_itself(platform: Running, behaviour: str, status: str) -> None:
    """The one beside it, and all of other pushes, are delivered to."""
    first, second = platform.push(1, behaviour, OK), platform.push(2, OK)
    results = await platform.deliver(first, second)
    assert {(r.push, r.device): r.status for r in results} == {
        (0, OK): "delivered",
        (0, behaviour): status,
        (1, OK): "delivered",
    }
    assert all(result.detail for result in results if result.device == behaviour)
    assert len(platform.case.seen) == 2


async def test_a_pause_that_is_asked_for_is_kept(platform: Running) -> None:
    """As long as the provider says."""
    (result,) = await platform.deliver(platform.push(1, BUSY))
    assert result.after == PAUSE_S * 1000


async def test_a_refusal_is_told_by_its_code(platform: Running) -> None:
    """Never by an error's text."""
    (result,) = await platform.deliver(platform.push(1, REFUSED))
    assert result.detail == platform.case.refusal


async def test_a_wake_up_carries_nothing(platform: Running) -> None:
    """The device pulls."""
    await platform.deliver(platform.push(1, OK, wake="sync", payload=b""))
    assert [seen.content for seen in platform.case.seen] == [{"sync": True}]


async def test_what_is_too_large_for_the_provider_is_a_wake_up(platform: Running) -> None:
    """The inbox has the content."""
    payload = b'{"text":"%b"}' % (b"x" * 20_000)
    (result,) = await platform.deliver(platform.push(1, OK, payload=payload))
    assert result.status == "delivered"
    assert [seen.content for seen in platform.case.seen] == [{"sync": True}]


async def test_a_provider_that_fails_again_and_again_is_left_alone(platform: Running) -> None:
    """The circuit opens; what is not sent comes later, and counts as no attempt."""
    for offset in range(FAILURES):
        (result,) = await platform.deliver(platform.push(offset, FAULT))
        assert (result.status, result.tried) == ("later", True)
    (result,) = await platform.deliver(platform.push(9, FAULT))
    assert (result.status, result.detail, result.tried) == ("later", "circuit-open", False)
    assert 0 < result.after <= 1001


async def test_a_token_that_is_none_harms_nobody(platform: Running) -> None:
    """The registry may hold anything."""
    if platform.case.name == "stub":
        return
    push = platform.push(1, OK, "other")
    push.tokens = (push.tokens[0], b"\xff nonsense")
    results = await platform.deliver(push)
    assert [result.status for result in results] == ["delivered", "gone"]


async def test_nothing_is_nothing(platform: Running) -> None:
    """A batch may hold no push, or pushes without targets."""
    assert await platform.deliver() == []
    assert await platform.deliver(platform.push(1)) == []
