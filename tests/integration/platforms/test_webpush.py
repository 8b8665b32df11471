"""Web Push beyond what all sinks have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from joserfc import jwt

from sinks.content import message
from sinks.ece import LIMIT
from sinks.vapid import LIFE_S, BadKey, Vapid, read_key
from streams.settings import Settings
from tests.integration.platforms.cases import OK, Running, running
from tests.integration.platforms.webpushes import Webpushes


@pytest.fixture
def case() -> Webpushes:
    """The push service."""
    return Webpushes()


@pytest_asyncio.fixture
async def webpush(case: Webpushes, redis_settings: Settings) -> AsyncIterator[Running]:
    """The platform."""
    async with running(case, redis_settings) as made:
        yield made


async def test_a_signature_serves_for_many_requests(webpush: Running, case: Webpushes) -> None:
    """To one push service."""
    await webpush.deliver(*(webpush.push(n, OK) for n in range(5)))
    assert (len(case.seen), len(case.authorizations)) == (5, 1)


async def test_each_push_service_has_a_signature_of_its_own(case: Webpushes) -> None:
    """Made anew in good time before its end, which a push service accepts for a day at most."""
    now = 1_000_000.0
    vapid = Vapid(case._sender, "mailto:push@lockstep.example", lambda: now)
    first, other = vapid.header("https://a.example"), vapid.header("https://b.example")
    now += LIFE_S - 3601
    assert (vapid.header("https://a.example"), vapid.signed) == (first, 2)
    now += 2
    assert vapid.header("https://a.example") != first
    claims = [
        jwt.decode(made.removeprefix("vapid t=").partition(",")[0], case._sender, algorithms=["ES256"]).claims
        for made in (first, other)
    ]
    assert [claim["aud"] for claim in claims] == ["https://a.example", "https://b.example"]
    assert all(claim["exp"] == 1_000_000 + LIFE_S <= 1_000_000 + 86_400 for claim in claims)


@pytest.mark.parametrize(("lane", "urgency"), [(0, "high"), (1, "normal"), (2, "low"), (3, "very-low")])
async def test_the_lane_is_the_urgency(webpush: Running, case: Webpushes, lane: int, urgency: str) -> None:
    """And the deadline the life."""
    await webpush.deliver(webpush.push(1, OK, lane=lane))
    (seen,) = case.seen
    assert seen.headers["Urgency"] == urgency
    assert 55 <= int(seen.headers["TTL"]) <= 60
    assert "Topic" not in seen.headers


async def test_the_collapse_key_is_the_topic(webpush: Running, case: Webpushes) -> None:
    """Whatever its characters."""
    for key in ("plan", "plan", "größe " * 99):
        await webpush.deliver(webpush.push(1, OK, collapse_key=key))
    first, second, other = (seen.headers["Topic"] for seen in case.seen)
    assert first == second != other


async def test_the_largest_message_fits(webpush: Running, case: Webpushes) -> None:
    """To the byte: one more, and it is a wake-up."""
    push = webpush.push(1, OK)
    push.payload = b'""'
    room = LIMIT - len(message(push, "high", LIMIT))
    for more in (0, 1):
        push.payload = b'"%b"' % (b"x" * (room + more))
        (result,) = await webpush.deliver(push)
        assert result.status == "delivered"
    assert [len(seen.content.get("data", "")) for seen in case.seen] == [room, 0]


async def test_an_unknown_subscription_is_gone(webpush: Running) -> None:
    """404 as well as 410."""
    assert await webpush.statuses("absent") == ["gone"]


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"])
def test_a_worker_without_a_key_does_not_start(text: str) -> None:
    """The message names the setting."""
    with pytest.raises(BadKey, match="LOCKSTEP_WEBPUSH__KEY is no private key on P-256"):
        read_key(text, "LOCKSTEP_WEBPUSH__KEY")


def test_a_worker_without_a_subject_does_not_start(case: Webpushes) -> None:
    """A push service must be able to ask."""
    with pytest.raises(BadKey, match="SUBJECT"):
        Vapid(case._sender, "")
