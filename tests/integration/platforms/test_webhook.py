"""Webhooks beyond what all sinks have in common: where requests may go, and what is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sinks.each import Blocked
from sinks.guard import Guard
from sinks.keys import pack
from streams.settings import Settings
from tests.integration.platforms.cases import OK, REDIRECT, Running, running
from tests.integration.platforms.webhooks import SECRETS, Webhooks

KEYS = {"secret": "whsec_" + SECRETS[0]}


@pytest_asyncio.fixture
async def webhooks(redis_settings: Settings) -> AsyncIterator[Running]:
    """The platform."""
    async with running(Webhooks(), redis_settings) as made:
        yield made


async def _refused(webhooks: Running, url: str) -> str:
    push = webhooks.push(1, OK)
    push.tokens = (pack("webhook", url, KEYS).encode(),)
    (result,) = await webhooks.deliver(push)
    assert (result.status, result.detail.partition(":")[0]) == ("refused", "blocked"), result
    return result.detail


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::]", "224.0.0.1", "[::1]", "[fe80::1]", "[fd00::1]",
        "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "100.64.0.1",
    ],
)  # fmt: skip
async def test_an_address_inside_is_not_called(webhooks: Running, host: str) -> None:
    """Written as numbers: private, of this machine, of the cloud's metadata, and all that lead there."""
    allowed = webhooks.stage.settings.egress.allow[-1]
    assert "not of the open net" in await _refused(webhooks, f"{allowed.replace(':', f'://{host}:')}/")


async def test_a_name_that_leads_inside_is_not_called(webhooks: Running) -> None:
    """The addresses are checked of which one is called: the name cannot lead elsewhere in between."""
    closed = Guard(("http:80",), ())
    with pytest.raises(Blocked):
        await closed.resolve("localhost", 80)
    found = await Guard(("http:80",), ("127.0.0.0/8", "::1/128")).resolve("localhost", 80)
    assert {each["host"] for each in found} <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://127.0.0.1:8443/", "http://example.org/"])
async def test_other_schemes_and_ports_are_not_called(webhooks: Running, url: str) -> None:
    """Only what the settings list."""
    assert "is not allowed" in await _refused(webhooks, url)


async def test_a_redirect_is_not_followed(webhooks: Running) -> None:
    """It might lead inside."""
    (result,) = await webhooks.deliver(webhooks.push(1, REDIRECT))
    assert (result.status, result.detail, webhooks.case.seen) == ("refused", "redirect", [])


async def test_a_request_has_what_receivers_need(webhooks: Running) -> None:
    """Type, time, device and data; the id stays the same over attempts."""
    push = webhooks.push(1, OK)
    for _ in range(2):
        await webhooks.deliver(push)
    first, second = webhooks.case.seen
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["Content-Type"] == "application/json"
    assert first.content == second.content
