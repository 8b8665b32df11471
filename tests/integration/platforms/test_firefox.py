"""Web Push to a Firefox: it subscribes, the sink encrypts, its service worker reads the clear text."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey
from msgspec.structs import replace

from sinks.content import message
from sinks.ece import LIMIT
from sinks.push import open_sink
from streams.settings import Settings
from tests.integration.platforms.cases import OK, Running, running
from tests.integration.platforms.firefoxes import Firefoxes

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def firefox(redis_settings: Settings) -> AsyncIterator[Running]:
    """The platform, with one Firefox for all tests."""
    async with running(Firefoxes(), redis_settings) as made:
        yield made


@pytest.fixture
def case(firefox: Running) -> Firefoxes:
    """The browser, which has read nothing yet."""
    assert isinstance(firefox.case, Firefoxes)
    firefox.case.seen.clear()
    firefox.case.acks.clear()
    return firefox.case


async def test_the_service_worker_reads_the_clear_text(firefox: Running, case: Firefoxes) -> None:
    """And the browser tells its push service that it could decrypt it."""
    push = firefox.push(1, OK, lane=0, collapse_key="plan")
    assert [result.status for result in await firefox.deliver(push)] == ["delivered"]
    (read,) = await case.read(1)
    assert (read.content["id"], read.content["data"]) == (push.id.hex(), {"plan": "family"})
    assert read.headers["Urgency"] == "high"
    assert [ack["code"] for ack in case.acks] == [100]


async def test_a_wake_up_is_read_too(firefox: Running, case: Firefoxes) -> None:
    """It says that there is something to pull."""
    await firefox.deliver(firefox.push(1, OK, wake="sync", payload=b""))
    (read,) = await case.read(1)
    assert read.content == {"sync": True}


async def test_the_largest_message_is_read_to_its_last_byte(firefox: Running, case: Firefoxes) -> None:
    """The browser takes the record that fills the body."""
    push = firefox.push(1, OK, payload=b'""')
    push.payload = b'"%b"' % (b"x" * (LIMIT - len(message(push, "high", LIMIT))))
    assert [result.status for result in await firefox.deliver(push)] == ["delivered"]
    (read,) = await case.read(1)
    assert read.content["data"] == push.payload.decode().strip('"')
    assert read.headers["Content-Length"] == "4096"


async def test_messages_of_a_batch_are_all_read(firefox: Running, case: Firefoxes) -> None:
    """Each with keys of its own."""
    pushes = [firefox.push(n, OK, payload=b'{"n":%d}' % n) for n in range(5)]
    assert {result.status for result in await firefox.deliver(*pushes)} == {"delivered"}
    read = await case.read(5)
    assert sorted(each.content["data"]["n"] for each in read) == [0, 1, 2, 3, 4]


async def test_a_subscription_that_was_given_up_is_gone(firefox: Running, case: Firefoxes) -> None:
    """The one that the page made after it is good."""
    old = firefox.push(1, OK)
    await case.subscribe_anew()
    results = await firefox.deliver(old, firefox.push(2, OK))
    assert [result.status for result in results] == ["gone", "delivered"]
    await case.read(1)


async def test_a_subscription_is_bound_to_the_key_it_was_made_with(firefox: Running, case: Firefoxes) -> None:
    """Another sender's key is refused, as is the next one of this sender."""
    other = ECKey.generate_key("P-256", private=True).as_pem(private=True).decode()
    stage = firefox.stage
    settings = replace(stage.settings, webpush=replace(stage.settings.webpush, key=other))
    sink = await open_sink(replace(stage, settings=settings))
    (result,) = await sink.deliver([firefox.push(1, OK)])
    assert (result.status, result.detail, case.seen) == ("refused", "status 403", [])
