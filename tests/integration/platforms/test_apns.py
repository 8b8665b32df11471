"""APNs beyond what all sinks have in common: Apple's contract, its reasons, the shared token, the connection."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey
from msgspec.structs import replace

from sinks import redis
from sinks.apns import Unset
from sinks.apns import sink as make_sink
from sinks.provider_token import RENEW_S, YOUNG_S, ProviderToken
from streams.settings import Settings
from tests.integration.platforms.apnses import Apnses
from tests.integration.platforms.apple import REASONS, STATUS_OF
from tests.integration.platforms.cases import HANG, OK, Running, running
from tests.integration.sinks.poll import until


@pytest.fixture
def case() -> Apnses:
    """Apple."""
    return Apnses()


@pytest_asyncio.fixture
async def apns(case: Apnses, own_redis: Settings) -> AsyncIterator[Running]:
    """The platform."""
    async with running(case, own_redis) as made:
        yield made


LATER = {"IdleTimeout", "PayloadTooLarge", *(reason for status in (403, 429, 500, 503) for reason in REASONS[status])}


@pytest.mark.parametrize("reason", STATUS_OF)
async def test_every_reason_has_its_meaning(apns: Running, reason: str) -> None:
    """Gone is what has ended, later what is not the push's fault, and everything else is refused."""
    (result,) = await apns.deliver(apns.push(1, reason))
    expected = "gone" if STATUS_OF[reason] == 410 else "later" if reason in LATER else "refused"
    assert (result.status, result.detail) == (expected, reason)
    assert result.sync == (reason == "PayloadTooLarge")


async def test_a_token_that_is_gone_says_since_when(apns: Running) -> None:
    """Only what was not registered again since is forgotten."""
    (result,) = await apns.deliver(apns.push(1, "gone"))
    assert (result.status, result.at) == ("gone", 1_700_000_000_000)


async def test_a_silent_push_obeys_apples_rules(apns: Running, case: Apnses) -> None:
    """Background, priority 5, content-available, and the deadline as its end."""
    push = apns.push(1, OK, lane=0, collapse_key="plan " * 99)
    assert [result.status for result in await apns.deliver(push)] == ["delivered"]
    (request,) = case.apple.requests
    headers = request.headers
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("background", "5")
    assert int(headers["apns-expiration"]) == push.deadline // 1000
    assert len(headers["apns-collapse-id"]) == 32
    assert json.loads(request.body)["aps"] == {"content-available": 1}


@pytest.mark.parametrize(("lane", "priority"), [(0, "10"), (1, "10"), (2, "5"), (3, "5")])
async def test_an_alert_has_a_text_of_the_app(apns: Running, case: Apnses, lane: int, priority: str) -> None:
    """Under the event's type, and is as urgent as its lane."""
    await apns.deliver(apns.push(1, OK, lane=lane, wake="alert"))
    (request,) = case.apple.requests
    assert (request.headers["apns-push-type"], request.headers["apns-priority"]) == ("alert", priority)
    assert json.loads(request.body)["aps"]["alert"] == {"loc-key": "member.plan.changed"}


async def test_the_largest_payload_is_taken(apns: Running, case: Apnses) -> None:
    """4,096 bytes; with one more it is a wake-up."""
    for more in range(-3, 2):
        push = apns.push(1, OK, payload=b'""')
        await apns.deliver(push)
        room = 4096 - len(case.apple.requests[-1].body)
        push = apns.push(1, OK, payload=b'"%b"' % (b"x" * (room + more)))
        assert [result.status for result in await apns.deliver(push)] == ["delivered"]
        size = len(case.apple.requests[-1].body)
        assert size == 4096 + more if more <= 0 else size < 100


async def test_three_silent_pushes_an_hour_then_one_wake_up(apns: Running, case: Apnses) -> None:
    """Alerts are not counted."""
    first = apns.push(0, OK)
    pushes = [replace(apns.push(n, OK), tokens=first.tokens) for n in range(5)]
    results = await apns.deliver(*pushes)
    assert [result.status for result in results].count("delivered") == 3
    (later,) = [result for result in results if result.status == "later"]
    assert later.sync
    assert later.after > 19 * 60_000
    alert = replace(apns.push(9, OK, wake="alert"), tokens=first.tokens)
    assert [result.status for result in await apns.deliver(alert)] == ["delivered"]
    assert len(case.seen) == 4


async def test_requests_wait_for_a_stream(own_redis: Settings) -> None:
    """Apple says how many it takes at once."""
    case = Apnses(streams=3)
    async with running(case, own_redis) as apns:
        results = await apns.deliver(*(apns.push(n, *(f"{m}-{OK}" for m in range(10))) for n in range(5)))
        assert {result.status for result in results} == {"delivered"}
        assert (len(results), len(case.apple.connections)) == (50, 1)


async def test_a_goodbye_ends_the_connection_and_no_request(apns: Running, case: Apnses) -> None:
    """The next request has another connection."""
    assert await apns.statuses(OK) == ["delivered"]
    case.apple.connections[0].goodbye()
    assert await apns.statuses(OK) == ["delivered"]
    assert len(case.apple.connections) == 2


async def test_a_connection_that_is_lost_is_made_again(apns: Running, case: Apnses) -> None:
    """What waited on it comes later."""
    hanging = asyncio.create_task(apns.deliver(apns.push(1, HANG)))
    await until(lambda: bool(case.apple.connections and case.apple.connections[0].hanging))
    transport = case.apple.connections[0].transport
    assert transport is not None
    transport.abort()
    (result,) = await hanging
    assert (result.status, result.detail) == ("later", "unreachable")
    assert await apns.statuses(OK) == ["delivered"]


async def test_what_waits_for_a_connection_that_is_lost_breaks_no_other(own_redis: Settings) -> None:
    """It comes later too: on a server that hangs each of many would wait on a new one, and end it in its turn."""
    case = Apnses(streams=2)
    async with running(case, own_redis) as apns:
        hanging = asyncio.create_task(apns.deliver(*(apns.push(n, HANG) for n in range(4))))
        await until(lambda: bool(case.apple.connections and len(case.apple.connections[0].hanging) == 2))
        transport = case.apple.connections[0].transport
        assert transport is not None
        transport.abort()
        assert {result.detail for result in await hanging} == {"unreachable"}
        assert len(case.apple.connections) == 1


async def test_a_connection_without_a_sound_is_dropped(apns: Running, case: Apnses) -> None:
    """One that answers others is kept, though a request on it got no answer."""
    assert await apns.statuses(HANG, OK) == ["later", "delivered"]
    assert await apns.statuses(OK) == ["delivered"]
    assert len(case.apple.connections) == 1
    assert await apns.statuses(HANG) == ["later"]
    assert await apns.statuses(OK) == ["delivered"]
    assert len(case.apple.connections) == 2


@pytest.mark.parametrize("name", ["key", "key_id", "team", "topic"])
async def test_a_worker_without_its_settings_does_not_start(apns: Running, name: str) -> None:
    """The message names the variable."""
    settings = replace(apns.stage.settings, apns=replace(apns.stage.settings.apns, **{name: ""}))
    with pytest.raises(Exception, match=f"LOCKSTEP_APNS__{name.upper()} is") as caught:
        await make_sink(replace(apns.stage, settings=settings))
    assert isinstance(caught.value, Unset) == (name != "key")


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        """s since 1970."""
        return self.now


async def test_all_workers_have_one_token(own_redis: Settings) -> None:
    """It is signed once, and again when it is old, by whoever comes first."""
    key, clock = ECKey.generate_key("P-256", private=True), Clock()
    async with redis.connect(own_redis) as memory:
        workers = [ProviderToken(memory, key, "key", f"team-{uuid.uuid4()}", clock)]
        workers += [ProviderToken(memory, key, "key", workers[0]._team, clock) for _ in range(4)]
        (token,) = set(await asyncio.gather(*(worker.get() for worker in workers)))
        clock.now += RENEW_S - 1
        assert {await worker.get() for worker in workers} == {token}
        await workers[0].refused(token)
        assert await workers[0].get() != token
        young = await workers[0].get()
        clock.now += YOUNG_S - 1
        await workers[0].refused(young)
        assert await workers[0].get() == young
        assert sum(worker.signed for worker in workers) <= 5 + 1


async def test_a_key_that_is_put_in_the_place_of_another_signs_its_own(own_redis: Settings) -> None:
    """Also under the same id, as after a wrong file: the token of the one before is none of its."""
    team = f"team-{uuid.uuid4()}"
    async with redis.connect(own_redis) as memory:
        for _ in range(2):
            key = ECKey.generate_key("P-256", private=True)
            token = await ProviderToken(memory, key, "key", team).get()
            assert jwt.decode(token, key, algorithms=["ES256"]).claims["iss"] == team


async def test_without_redis_a_worker_uses_its_token_longer_then_signs_its_own() -> None:
    """Pushes go on."""
    key, clock = ECKey.generate_key("P-256", private=True), Clock()
    token = ProviderToken(redis.Redis(Settings().redis), key, "key", "team", clock)
    first = await token.get()
    assert first
    clock.now += RENEW_S + 1
    assert await token.get() == first
    clock.now += 600
    assert await token.get() != first
