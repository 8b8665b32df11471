"""APNs as Pushy's authors understand it: their mock server judges what the sink sends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey
from msgspec.structs import replace

from sinks.apns import LIMIT, payload_of
from sinks.apns import sink as make_sink
from streams.settings import Settings
from streams.stage import Resources
from tests.integration.platforms.cases import GONE, Running, running
from tests.integration.platforms.pushies import KNOWN, Pushies

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pushy(redis_settings: Settings) -> AsyncIterator[Running]:
    """The platform, with one judge for all tests."""
    async with running(Pushies(), redis_settings) as made:
        yield made


@pytest.fixture
def case(pushy: Running) -> Pushies:
    """The judge."""
    assert isinstance(pushy.case, Pushies)
    return pushy.case


@pytest.mark.parametrize("wake", KNOWN)
async def test_what_is_sent_is_accepted(pushy: Running, case: Pushies, wake: str) -> None:
    """In each lane and with a collapse key: token, topic, priority, expiration and payload are in order."""
    for lane in (0, 1, 3):
        (result,) = await pushy.deliver(pushy.push(lane, wake, lane=lane, wake=wake, collapse_key="plan"))
        assert result.status == "delivered", result
        assert await case.verdict() == "ACCEPTED"
    content = case.seen[-1].content
    assert content == {"sync": True} if wake == "sync" else content["data"] == {"plan": "family"}


async def test_the_largest_payload_is_accepted(pushy: Running, case: Pushies) -> None:
    """4,096 bytes, by their count too."""
    push = pushy.push(1, "alert", wake="alert", payload=b'""')
    push.payload = b'"%b"' % (b"x" * (LIMIT - len(payload_of(push, "high"))))
    assert len(payload_of(push, "high")) == LIMIT
    (result,) = await pushy.deliver(push)
    assert result.status == "delivered", result
    assert await case.verdict() == "ACCEPTED"


async def test_a_device_that_is_gone_says_since_when(pushy: Running, case: Pushies) -> None:
    """As the sink reads it, ms."""
    (result,) = await pushy.deliver(pushy.push(1, GONE, wake="alert"))
    assert (result.status, result.detail, result.at) == ("gone", "Unregistered", 1_700_000_000_000)
    assert await case.verdict() == "UNREGISTERED"


@pytest.mark.parametrize(("device", "reason"), [("nobody", "DeviceTokenNotForTopic"), ("x" * 50, "BadDeviceToken")])
async def test_a_device_that_it_does_not_know_is_refused(
    pushy: Running, case: Pushies, device: str, reason: str
) -> None:
    """By the reason, as Pushy writes it."""
    (result,) = await pushy.deliver(pushy.push(1, device, wake="alert"))
    assert (result.status, result.detail) == ("refused", reason)
    await case.verdict()


WRONG_KEY = ECKey.generate_key("P-256", private=True).as_pem(private=True).decode()


@pytest.mark.parametrize(
    ("name", "value", "status", "reason"),
    [
        ("topic", "com.example.other", "refused", "DeviceTokenNotForTopic"),
        ("key", WRONG_KEY, "later", "InvalidProviderToken"),
        ("key_id", "OTHER67890", "later", "InvalidProviderToken"),
        ("team", "OTHER67890", "later", "InvalidProviderToken"),
    ],
)
async def test_a_wrong_setting_is_told(
    pushy: Running, case: Pushies, name: str, value: str, status: str, reason: str
) -> None:
    """The judge checks who signed and for which app; a wrong key costs no push."""
    settings = pushy.stage.settings
    settings = replace(settings, apns=replace(settings.apns, **{name: value}))
    async with AsyncExitStack() as stack:
        sink = await make_sink(replace(pushy.stage, settings=settings, resources=Resources(settings, stack)))
        (result,) = await sink.deliver([pushy.push(1, "alert", wake="alert")])
    assert (result.status, result.detail) == (status, reason)
    await case.verdict()
