"""FCM beyond what all sinks have in common: its errors, its access tokens, its quotas."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from joserfc.jwk import RSAKey
from msgspec.structs import replace

from sinks.settle import Settler
from streams.envelope import decode_push
from streams.settings import Settings
from tests.integration.platforms.cases import OK, Running, running
from tests.integration.platforms.fcms import Fcms
from tests.integration.sinks.poll import until
from tests.unit.fakes import FakeOutput


@pytest.fixture
def case() -> Fcms:
    """The fake."""
    return Fcms()


@pytest_asyncio.fixture
async def fcm(case: Fcms, redis_settings: Settings) -> AsyncIterator[Running]:
    """The platform."""
    async with running(case, redis_settings) as made:
        yield made


@pytest.mark.parametrize(
    ("code", "status", "pauses"),
    [
        ("UNREGISTERED", "gone", False),
        ("INVALID_ARGUMENT", "refused", False),
        ("SENDER_ID_MISMATCH", "refused", False),
        ("THIRD_PARTY_AUTH_ERROR", "refused", False),
        ("INTERNAL", "later", False),
        ("UNAVAILABLE", "later", False),
        ("QUOTA_EXCEEDED", "later", True),
        ("DEVICE_QUOTA", "later", False),
    ],
)
async def test_every_error_has_its_meaning(fcm: Running, code: str, status: str, pauses: bool) -> None:
    """The project's quota pauses all; a device's is its own."""
    (result,) = await fcm.deliver(fcm.push(1, code))
    assert (result.status, result.detail) == (status, code.replace("DEVICE_QUOTA", "QUOTA_EXCEEDED"))
    (after,) = await fcm.statuses(f"{OK}-{uuid.uuid4().hex}")
    assert after == ("later" if pauses else "delivered")


async def test_one_access_token_serves_until_it_is_refused(fcm: Running, case: Fcms) -> None:
    """Then the message comes later, and another token is fetched once."""
    await fcm.deliver(fcm.push(1, "a", "b", "c"), fcm.push(2, "d"))
    assert case.tokens == ["access-0"]
    case.tokens.append("another")
    assert await fcm.statuses("a", "b") == ["later", "later"]
    assert await fcm.statuses("a", "b") == ["delivered", "delivered"]
    assert case.tokens == ["access-0", "another", "access-2"]


async def test_a_new_key_of_the_account_is_taken_from_its_file(
    redis_settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """For the next access token, and what cannot be used changes nothing: no worker is restarted, no push is lost."""
    file = tmp_path / "account.json"
    case = Fcms(file=file)
    async with running(case, redis_settings) as fcm:
        assert await fcm.statuses("a") == ["delivered"]
        case.keys["k2"] = RSAKey.generate_key(2048, private=True)
        for text in ("{", case.account("k2", project="another"), case.account("k2")):
            file.write_text(text)
            case.tokens.append("the old one ended")
            assert await fcm.statuses("a") == ["later"]
            assert await fcm.statuses("a") == ["delivered"]
        assert case.signed == ["k1", "k1", "k1", "k2"]
        del case.keys["k1"]  # as its owner deletes it at the provider
        case.tokens.append("the old one ended")
        assert await fcm.statuses("a", "b") == ["later", "later"]
        assert await fcm.statuses("a", "b") == ["delivered", "delivered"]
    warned = [
        record.getMessage()
        for record in caplog.records
        if record.name == "sinks.oauth" and record.levelname == "WARNING"
    ]
    assert [str(file) in each for each in warned] == [True, True]
    assert "project another" in warned[1]


async def test_a_message_has_what_the_push_says(fcm: Running, case: Fcms) -> None:
    """Priority by lane, life by deadline, one of few collapse keys, a text for alerts."""
    await fcm.deliver(fcm.push(1, OK, lane=0, collapse_key="plan", wake="alert"))
    await fcm.deliver(fcm.push(2, OK, lane=3))
    urgent, low = (message["android"] for message in case.messages)
    assert urgent["priority"] == "HIGH"
    assert urgent["collapse_key"].startswith("key-")
    assert urgent["notification"] == {"title_loc_key": "member.plan.changed"}
    assert low["priority"] == "NORMAL"
    assert low.keys() == {"priority", "ttl"}
    assert 55 <= int(low["ttl"][:-1]) <= 60


async def test_a_device_has_four_collapse_keys_at_most(fcm: Running, case: Fcms) -> None:
    """However many the producers use."""
    for n in range(12):
        await fcm.deliver(fcm.push(n, f"{n}-{uuid.uuid4().hex}", collapse_key=f"title-{n}"))
        await fcm.deliver(fcm.push(n, f"{n}-{uuid.uuid4().hex}", wake="sync"))
    assert len({message["android"]["collapse_key"] for message in case.messages}) <= 4


async def test_what_the_device_takes_no_more_becomes_one_wake_up(fcm: Running, case: Fcms) -> None:
    """Twenty collapsible messages, then one in three minutes: one comes back, the others stay in the inbox."""
    device = uuid.uuid4().hex
    results = await fcm.deliver(*(fcm.push(n, device, collapse_key="plan") for n in range(25)))
    assert [result.status for result in results].count("delivered") == len(case.seen) == 20
    (later,) = [result for result in results if result.status == "later"]
    assert later.sync
    assert 170_000 < later.after <= 180_000
    kept = [result for result in results if result.status == "refused"]
    assert [result.detail for result in kept] == ["over budget: a wake-up is on its way"] * 4


async def test_what_the_project_may_not_send_becomes_wake_ups(redis_settings: Settings) -> None:
    """The quota is shared by all workers; a tenth of it is kept from each lower lane."""
    case = Fcms(quota=10, project=f"project-{uuid.uuid4().hex}")
    async with running(case, redis_settings) as fcm:
        low = await fcm.deliver(*(fcm.push(n, f"low-{n}-{uuid.uuid4().hex}", lane=3) for n in range(20)))
        assert [result.status for result in low].count("delivered") == 7
        assert all(result.sync and result.after > 1000 for result in low if result.status == "later")
        urgent = await fcm.deliver(*(fcm.push(n, f"urgent-{n}-{uuid.uuid4().hex}", lane=0) for n in range(20)))
        assert [result.status for result in urgent].count("delivered") == 3
    assert len(case.seen) == 10


async def test_what_the_project_may_not_send_costs_the_device_nothing(redis_settings: Settings) -> None:
    """Its twenty collapsible messages are all there when another project's quota has room for them."""
    device = f"phone-{uuid.uuid4().hex}"
    for quota, delivered in ((1, 0), (100, 20)):
        case = Fcms(quota=quota, project=f"project-{uuid.uuid4().hex}")
        async with running(case, redis_settings) as fcm:
            others = [fcm.push(n, device, lane=0, collapse_key="plan") for n in range(1, 21)]
            results = await fcm.deliver(fcm.push(0, f"first-{uuid.uuid4().hex}", lane=0), *others)
        assert results[0].status == "delivered"
        assert [result.status for result in results[1:]].count("delivered") == delivered


async def test_what_does_not_fit_comes_as_one_collapsed_wake_up(redis_settings: Settings) -> None:
    """Through the retry topic, when the quota has room again: without content, and the last of its kind counts."""
    case = Fcms(quota=60, project=f"project-{uuid.uuid4().hex}")  # one a second
    async with running(case, redis_settings) as fcm:
        device = f"phone-{uuid.uuid4().hex}"
        pushes = [fcm.push(n, f"{n}-{uuid.uuid4().hex}", lane=0) for n in range(60)]
        pushes += [fcm.push(60 + n, device, lane=0) for n in range(5)]
        results = await fcm.deliver(*pushes)
        assert [result.status for result in results] == ["delivered"] * 60 + ["later"] + ["refused"] * 4
        output = FakeOutput()
        settler = Settler(replace(fcm.stage, output=output), Nobody(), lambda: 0.0)
        said = await settler.settle(3, pushes, results)
        (again,) = (decode_push(sent.value or b"") for sent in output.sent)
        assert sum("wake-up is on its way" in result.detail for result in said) == 4
        await until(lambda: fcm.stage.now() >= again.due)
        for _ in range(5):
            (result,) = await fcm.deliver(again)
            if result.status == "delivered":
                break
            await asyncio.sleep(result.after / 1000)
    assert (result.status, case.seen[-1].content) == ("delivered", {"sync": True})
    message = case.messages[-1]
    assert (message["token"], message["android"]["collapse_key"]) == (case.token(device).decode(), "sync")


class Nobody:
    """A registry that is not asked."""

    async def forget(self, account: str, device: str, token: str, at: int) -> bool:
        """Nothing is gone here."""
        raise AssertionError(device)
