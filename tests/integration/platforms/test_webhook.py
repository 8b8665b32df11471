"""Webhooks beyond what all sinks have in common: where requests may go, and what is sent."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sinks.each import Blocked
from sinks.guard import Guard
from sinks.keys import pack
from streams.settings import Settings
from tests.integration.platforms.cases import OK, REDIRECT, Running, running
from tests.integration.platforms.webhooks import ENDLESS, SECRETS, Webhooks

KEYS = {"secret": "whsec_" + SECRETS[0]}
ROTATING = {"secret": " ".join("whsec_" + secret for secret in SECRETS)}


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
        "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "100.64.0.1", "0.0.0.1", "198.18.0.1", "240.0.0.1",
        "[fec0::1]", "[::a00:1]", "[64:ff9b:1::a00:1]", "[2001::1]", "[ff02::1]",
    ],
)  # fmt: skip
async def test_an_address_inside_is_not_called(webhooks: Running, host: str) -> None:
    """Written as numbers: private, of this machine, of the cloud's metadata, and all that lead there."""
    allowed = webhooks.stage.settings.egress.allow[-1]
    assert "not of the open net" in await _refused(webhooks, f"{allowed.replace(':', f'://{host}:')}/")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0177.0.0.1", "127.0.0.1.", "0"])
async def test_a_number_that_is_no_address_is_not_called(webhooks: Running, host: str) -> None:
    """Resolvers take such for addresses of this machine."""
    allowed = webhooks.stage.settings.egress.allow[-1]
    assert "number" in await _refused(webhooks, f"{allowed.replace(':', f'://{host}:')}/")


class Names:
    """Answers of a resolver, one after the other; the last one stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = answers
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._answer)

    async def _answer(self, host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        found = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)) for address in found]


async def test_every_address_of_a_name_is_checked(webhooks: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that leads inside is enough, whichever would be called."""
    names = Names(monkeypatch, ["127.0.0.1", "10.0.0.1"])
    allowed = webhooks.stage.settings.egress.allow[-1]
    assert "not of the open net" in await _refused(webhooks, f"{allowed.replace(':', '://hook.example:')}/{OK}")
    assert (names.asked, webhooks.case.seen) == (1, [])


async def test_the_address_that_was_checked_is_called(webhooks: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is asked for once: what it would lead to a moment later is nobody's business."""
    names = Names(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    allowed = webhooks.stage.settings.egress.allow[-1]
    push = webhooks.push(1, OK)
    push.tokens = (pack("webhook", f"{allowed.replace(':', '://hook.example:')}/{OK}", ROTATING).encode(),)
    assert [result.status for result in await webhooks.deliver(push)] == ["delivered"]
    assert (names.asked, len(webhooks.case.seen)) == (1, 1)


async def test_an_answer_without_end_is_not_read(webhooks: Running) -> None:
    """Its beginning is enough, and the connection is closed."""
    (result,) = await webhooks.deliver(webhooks.push(1, ENDLESS))
    assert result.status == "delivered"


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
    assert all(abs(int(each.headers["webhook-timestamp"]) - time.time()) < 30 for each in (first, second))
    assert first.headers["Content-Type"] == "application/json"
    assert first.content == second.content
