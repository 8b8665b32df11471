"""Devices of every platform on a running lockstep: each provider in its own bulkhead, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from lockstep_client import DeviceClient

from bench import bulkhead
from bench.child import Child
from bench.system import Lockstep
from edge.auth.tokens import PRIVATE, issue
from streams.envelope import decode_push, position
from streams.outcomes import Outcome
from streams.settings import Settings, Tokens
from tests.e2e.audited import settled
from tests.e2e.conftest import Prepare
from tests.e2e.events import event, send
from tests.e2e.household import HOUR, until
from tests.e2e.system import System
from tests.integration.platforms.all import CASES, variables
from tests.integration.platforms.cases import BUSY, FAULT, GONE, HANG, OK, Case

WORKERS = [f"push-{name}" for name in CASES]
TYPES = {"apns": "phone", "fcm": "tablet", "webpush": "browser", "webhook": "stick"}
#: Accounts, and the providers of some of them that are in trouble.
MANY = 40
TROUBLE = {"apns": HANG, "fcm": FAULT, "webpush": BUSY}


class Members:
    """Members whose devices providers wake."""

    def __init__(self, system: System, cases: dict[str, Case]) -> None:
        self.cases = cases
        self._system = system

    async def register(self, account: str, **behaviours: str) -> None:
        """A device for each platform named, whose provider behaves so."""
        for platform, behaviour in behaviours.items():
            tokens = Tokens(keys=self._system.environment()["LOCKSTEP_TOKENS__KEYS"])
            token = issue(Path(tokens.keys).with_name(PRIVATE), tokens, platform, account, TYPES[platform], HOUR)
            async with DeviceClient(self._system.url, platform, token) as client:
                registration = self.cases[platform].registration(behaviour)
                await client.register(TYPES[platform], "2.0", platform=platform, **registration)


@pytest.fixture(scope="module")
def running(prepare: Prepare, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with the topics of all platforms, which keeps tokens sealed."""
    with prepare(f"platforms-{uuid.uuid4().hex[:8]}.", tmp_path_factory.mktemp("platforms"), providers=True) as made:
        key = made.pipeline.command("seal", "key", "first").strip()
        made.pipeline.environment["LOCKSTEP_REGISTRY__TOKEN_KEYS"] = f'{{"keys":[{key}]}}'
        made.start()
        yield made


@pytest_asyncio.fixture
async def members(running: System) -> AsyncIterator[Members]:
    """All platforms' workers beside those of the system, and providers that do as the tokens say."""
    async with AsyncExitStack() as stack:
        cases = {name: make() for name, make in CASES.items()}
        settings = Settings()
        for case in cases.values():
            settings = await case.open(stack, settings)
        started = [running.pipeline.worker(name, **variables(settings)) for name in WORKERS]
        try:
            await asyncio.to_thread(running.pipeline.wait_ready, started)
            yield Members(running, cases)
        finally:
            for member in started:
                await asyncio.to_thread(member.stop)


def said(system: System, account: str, seq: int) -> list[Outcome]:
    """All outcomes of one event."""
    return [outcome for outcome in system.outcomes() if outcome.account == account and outcome.seq == seq]


async def accepted(system: System, account: str, seq: int, *devices: str) -> None:
    """Wait until providers have taken the event for these devices."""

    async def all_have() -> bool:
        outcomes = await asyncio.to_thread(said, system, account, seq)
        return {d for o in outcomes if o.kind == "accepted" for d in o.devices} >= set(devices)

    await until(all_have, lambda: said(system, account, seq))


async def told(system: System, account: str, seq: int, detail: str) -> None:
    """Wait for an outcome of the event with a detail that begins so."""

    async def is_told() -> bool:
        return any(o.detail.startswith(detail) for o in await asyncio.to_thread(said, system, account, seq))

    await until(is_told, lambda: said(system, account, seq))


async def test_an_event_wakes_a_device_on_every_platform(running: System, members: Members, prefix: str) -> None:
    """Its registry, its push, its provider, its outcome; nobody between has a token in clear."""
    account = prefix + "anna"
    await members.register(account, **dict.fromkeys(CASES, OK))
    (place,) = await send(running, event(account, "member.plan.changed", data={"plan": "premium"}))
    seq = position(1, place[1])
    await accepted(running, account, seq, *CASES)
    for name, case in members.cases.items():
        assert [seen.content["data"] for seen in case.seen] == [{"plan": "premium"}], name
        topic = f"push.{name}.high"
        (push,) = (decode_push(value) for *_, value, _ in running.read(topic) if value and account.encode() in value)
        assert [token[:13] for token in push.tokens] == [b"sealed.first."]
    assert running.pipeline.command("seal", "tokens").endswith(" tokens: 0 sealed anew, 0 that no key here opens\n")
    (stored,) = (outcome for outcome in said(running, account, seq) if outcome.kind == "stored")
    assert sorted(stored.detail.split("; ")) == sorted(f"{name}: {name} (no presence)" for name in CASES)


async def test_a_device_that_is_gone_is_forgotten_and_keeps_its_inbox(
    running: System, members: Members, prefix: str
) -> None:
    """The next event is in its inbox alone; after another registration it is woken again."""
    account = prefix + "anna"
    await members.register(account, webhook=GONE)
    for detail in ("status 410", "inbox: webhook (no presence)"):
        (place,) = await send(running, event(account, "member.plan.changed"))
        await told(running, account, position(1, place[1]), detail)
    await members.register(account, webhook=OK)
    (place,) = await send(running, event(account, "member.plan.changed"))
    await accepted(running, account, position(1, place[1]), "webhook")


async def test_what_fails_at_first_is_tried_again(running: System, members: Members, prefix: str) -> None:
    """Through the retry topic: the provider works again, and has it."""
    account = prefix + "anna"
    case = members.cases["webhook"]
    await members.register(account, webhook=OK)
    case.failing = True
    (place,) = await send(running, event(account, "member.plan.changed"))
    seq = position(1, place[1])

    await told(running, account, seq, "status 503; attempt 2 at")
    case.failing = False
    await accepted(running, account, seq, "webhook")
    assert len(case.seen) == 1


async def test_providers_in_trouble_trouble_nobody_else(
    running: System, members: Members, prefix: str, tell: Callable[[str], None]
) -> None:
    """One hangs, one fails, one is at its limit: webhooks are called as before, and the audit finds nothing missing."""
    begun = time.time()
    for behaviours in (dict.fromkeys(TROUBLE, OK), TROUBLE):
        accounts = [f"{prefix}{n}-{len(behaviours)}-{behaviours['apns']}" for n in range(MANY)]
        for account in accounts:
            await members.register(account, webhook=OK, **behaviours)
        delays = await asyncio.gather(*(delay(running, members, account) for account in accounts))
        delays.sort()
        tell(f"webhooks beside {behaviours}: p50 {delays[MANY // 2]:.0f} ms, p99 {delays[-1]:.0f} ms")
    audit = await asyncio.to_thread(settled, running, begun)
    assert audit["defects"] == []
    assert audit["broken"] == 0


async def test_the_benchmark_of_bulkheads_finds_every_event(running: System, tmp_path: Path) -> None:
    """At sockets and webhooks, in the inbox and in the audit; how late is for a quiet machine to say."""
    with Child("bench.providers") as providers:
        variables = providers.ask(do="open")
        started = [running.pipeline.worker(name, **variables) for name in WORKERS]
        try:
            await asyncio.to_thread(running.pipeline.wait_ready, started)
            sizes = bulkhead.Sizes(rate=50.0, warm=0.2, seconds=1.0, rounds=1, accounts=20)
            found = await bulkhead.measure(Lockstep(running.pipeline), providers, sizes, tmp_path)
        finally:
            for member in started:
                await asyncio.to_thread(member.stop)
    assert (found["wrong"], found["audit_defects"]) == (0, 0)
    assert found.keys() >= {"socket_p99_ms", "socket_p99_ratio", "webhook_p99_ms", "webhook_p99_ratio", "moved"}


async def delay(system: System, members: Members, account: str) -> float:
    """Publish an event; ms until its webhook is called."""
    id_ = f"{account}-event"
    begun = time.monotonic()
    await send(system, event(account, "member.plan.changed", id=id_))
    seen = members.cases["webhook"].seen
    await until(lambda: any(id_ in each.content["events"] for each in seen), lambda: len(seen))
    return (time.monotonic() - begun) * 1000
