"""The clients in Python and JavaScript (Node, a browser) at a real edge that is killed, refuses and forgets."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lockstep_client import CODES, Cursors, Device, DeviceClient

from deploy.local.pipeline import Member
from deploy.local.ports import free_ports
from edge import cursor as cursors
from edge.auth.tokens import PRIVATE, issue
from streams.settings import Tokens
from tests.e2e.events import event
from tests.e2e.household import DEADLINE, until
from tests.e2e.refusing import refusing
from tests.e2e.subjects import KINDS, Subject, playing, with_ws
from tests.e2e.system import System

HOUR = 3600.0
#: Life of a token that ends while its device is connected, s.
SHORT = 5.0


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """The library `ws`, for a Node that has no WebSocket of its own."""
    with_ws()


class Gate:
    """A second edge of a running system, which a test may kill; it pings often and takes calls of any page."""

    def __init__(self, system: System) -> None:
        self.port, push = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self._system = system
        self._settings = {
            "LOCKSTEP_EDGE__PORT": str(self.port), "LOCKSTEP_EDGE__PUSH_PORT": str(push),
            "LOCKSTEP_EDGE__PING_INTERVAL": "3", "LOCKSTEP_EDGE__ORIGINS": '["*"]', "LOCKSTEP_TOKENS__LEEWAY": "0.5",
        }  # fmt: skip
        self.member = self.start()

    def start(self) -> Member:
        """Start it, again."""
        self.member = self._system.pipeline.edge(**self._settings)
        return self.member


@pytest.fixture(scope="module")
def gate(running: System) -> Iterator[Gate]:
    """The edge of this module."""
    made = Gate(running)
    running.pipeline.wait_ready([made.member])
    yield made
    made.member.stop()


@dataclass
class Account:
    """An account that no other test has, and what was published for it."""

    system: System
    name: str = field(default_factory=lambda: f"clients-{uuid.uuid4().hex[:8]}")
    published: list[str] = field(default_factory=list)

    def token(self, device: str, lifetime: float = HOUR) -> str:
        """A good token for so long."""
        private = self.system.pipeline.directory / "keys" / PRIVATE
        return issue(private, Tokens(), device, self.name, "browser", lifetime)

    def subject(self, device: str, **options: Any) -> Subject:
        """A device with good tokens."""
        return Subject(device, **{"token": lambda: self.token(device), **options})

    def publish(self, type_: str = "member.viewing.updated") -> str:
        """Publish an event and wait for the broker; its id."""
        made = event(self.name, type_)
        topic, headers = self.system.topic("ingest"), [("content-type", b"application/cloudevents+json")]
        self.system.publisher.submit(topic, self.name.encode(), json.dumps(made).encode(), headers).result(30)
        self.published.append(made["id"])
        return str(made["id"])

    async def publish_all(self, number: int, rate: float = 50.0) -> None:
        """Publish so many events into two lanes, at a rate."""
        for n in range(number):
            await asyncio.to_thread(self.publish, ("member.viewing.updated", "member.plan.changed")[n % 2])
            await asyncio.sleep(1 / rate)


@pytest.fixture
def account(running: System) -> Account:
    """The account of a test."""
    return Account(running)


@asynccontextmanager
async def all_kinds(make: Callable[[str], Subject], url: str, directory: Path) -> AsyncIterator[list[Subject]]:
    """A subject for each kind of client, all at once; `make` is given its name."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(playing(kind, make(kind), url, directory)) for kind in KINDS]


def in_order(subject: Subject) -> bool:
    """Whether the positions of each lane rise."""
    lanes: dict[str, list[str]] = {}
    for item in subject.items:
        lanes.setdefault(item["lane"], []).append(item["id"][:16])
    return all(ids == sorted(ids) for ids in lanes.values())


async def test_an_edge_that_is_killed_loses_nothing_and_shows_nothing_twice(
    running: System, gate: Gate, account: Account, tmp_path: Path
) -> None:
    """Events flow while it dies and comes back; each client shows each event once, and those of a lane in order."""
    async with all_kinds(account.subject, gate.url, tmp_path) as subjects:
        for subject in subjects:
            await subject.welcomed()
        flow = asyncio.create_task(account.publish_all(150))
        await until(lambda: all(len(subject.items) > 20 for subject in subjects), lambda: subjects)
        gate.member.kill()
        await asyncio.sleep(0.5)
        gate.start()
        await flow
        for subject in subjects:
            await subject.shows(account.published)
            assert in_order(subject)
            assert subject.count("retrying") >= 1
            assert subject.ended is None


async def test_an_edge_that_ends_in_good_order_says_when_to_come_back(
    gate: Gate, account: Account, tmp_path: Path
) -> None:
    """Each client lets the time pass that it was told, a random one, and has missed nothing."""
    async with all_kinds(account.subject, gate.url, tmp_path) as subjects:
        for subject in subjects:
            await subject.welcomed()
        flow = asyncio.create_task(account.publish_all(60))
        await asyncio.to_thread(gate.member.stop)
        gate.start()
        await flow
        for subject in subjects:
            await subject.shows(account.published)
            away = next(place for place, frame in enumerate(subject.told) if frame["type"] == "goaway")
            asked, pause = subject.told[away : away + 2]
            assert (asked["reason"], pause["type"]) == ("draining", "retrying")
            assert pause["after"] >= asked["reconnect_after"]


async def test_an_edge_that_hangs_is_noticed(gate: Gate, account: Account, tmp_path: Path) -> None:
    """Its connections stay open and nothing comes: each client asks whether it is there, leaves, and comes back."""
    async with all_kinds(account.subject, gate.url, tmp_path) as subjects:
        for subject in subjects:
            await subject.welcomed()
        gate.member.signal(signal.SIGSTOP)
        try:
            await account.publish_all(10)
            await until(lambda: all(subject.count("retrying") for subject in subjects), lambda: subjects, 2 * DEADLINE)
        finally:
            gate.member.signal(signal.SIGCONT)
        for subject in subjects:
            await subject.shows(account.published)
            assert in_order(subject)


async def test_what_became_of_an_item_is_shown_to_those_on_call(
    running: System, gate: Gate, account: Account, tmp_path: Path
) -> None:
    """Each client tells the edge what its application says of an item, and `lockstep trace` shows it."""
    codes = dict(zip(KINDS, CODES, strict=True))
    async with all_kinds(lambda kind: account.subject(kind, code=codes[kind]), gate.url, tmp_path) as subjects:
        for subject in subjects:
            await subject.welcomed()
        id_ = account.publish()
        for subject in subjects:
            await subject.shows([id_])

        async def traced() -> bool:
            command = ("trace", "--id", id_, "--account", account.name, "--json")
            trace = json.loads(await asyncio.to_thread(running.pipeline.command, *command))
            return {fate["device"]: fate["code"] for fate in trace["devices"]} == codes

        await until(traced, lambda: subjects)


async def test_a_token_that_ends_in_mid_connection_is_renewed(gate: Gate, account: Account, tmp_path: Path) -> None:
    """The edge sends the device away; it comes back with another token, and what was published meanwhile is shown."""

    def make(kind: str) -> Subject:
        subject = Subject(kind, lambda: account.token(kind, HOUR if subject.count("goaway") else SHORT))
        return subject

    async with all_kinds(make, gate.url, tmp_path) as subjects:
        for subject in subjects:
            await subject.welcomed()
        while not all(subject.count("goaway") and subject.told[-1]["type"] == "sync_end" for subject in subjects):
            await account.publish_all(1, rate=5.0)
            assert len(account.published) < 200, [(subject.told, subject.tokens) for subject in subjects]
        for subject in subjects:
            await subject.shows(account.published)
            assert in_order(subject)
            assert "closed with 1001 going-away lifetime" in subject.reasons
            assert (subject.count("goaway"), subject.ended) == (1, None)


async def test_a_hello_that_is_refused_for_good_ends_the_device(gate: Gate, account: Account, tmp_path: Path) -> None:
    """A second token is asked for, and no third: the device stops, says why, and calls no more."""
    bad: list[str] = []

    def make(kind: str) -> Subject:
        def token() -> str:
            if not subject.count("goaway"):
                return account.token(kind, SHORT)
            bad.append(kind)
            return "nonsense"

        subject = Subject(kind, token)
        return subject

    async with all_kinds(make, gate.url, tmp_path) as subjects:
        for subject in subjects:
            assert (await subject.ends()).startswith("Closed: closed with 4401 bad-token")
            first, second = subject.reasons[-2:]
            assert first == "closed with 1001 going-away lifetime"
            assert second.startswith("closed with 4401 bad-token")
        assert sorted(bad) == sorted(2 * KINDS)


async def test_a_registration_that_is_refused_for_good_ends_the_device(
    gate: Gate, account: Account, tmp_path: Path
) -> None:
    """A token of another device is good, but not for this one: one request, and the reason."""
    other = account.token("another")
    async with all_kinds(lambda kind: Subject(kind, lambda: other), gate.url, tmp_path) as subjects:
        for subject in subjects:
            assert (await subject.ends()).startswith("Refused: 403 urn:lockstep:problem:wrong-device")
            assert (subject.tokens, subject.reasons) == (1, [])


async def test_where_no_socket_can_be_had_the_device_polls(gate: Gate, account: Account, tmp_path: Path) -> None:
    """It goes on with a socket once there is one; what was pulled and what was pushed are one stream."""
    async with refusing(gate.port) as (way, url), all_kinds(account.subject, url, tmp_path) as subjects:
        await until(lambda: way.refused >= 3 * len(KINDS), lambda: subjects)
        await account.publish_all(10)
        for subject in subjects:
            await subject.shows(account.published)
            assert subject.count("welcome") == 0
        way.closed = False
        for subject in subjects:
            await subject.welcomed()
        await account.publish_all(20)
        for subject in subjects:
            await subject.shows(account.published)
            assert in_order(subject)


async def test_a_device_goes_on_where_its_last_life_ended(gate: Gate, account: Account, tmp_path: Path) -> None:
    """What it had taken does not come again, what it had not comes; the cursor is what outlives it."""
    kept = {kind: Cursors() for kind in KINDS}

    def make(kind: str, stop_after: int) -> Subject:
        return account.subject(kind, cursors=kept[kind], stop_after=stop_after)

    async with all_kinds(lambda kind: make(kind, 3), gate.url, tmp_path) as lives:
        for life in lives:
            await life.welcomed()
        await account.publish_all(8)
        assert [await life.ends() for life in lives] == [""] * len(KINDS)
        before = {life.device: life.shown for life in lives}
    async with all_kinds(lambda kind: make(kind, 5), gate.url, tmp_path) as lives:
        for life in lives:
            assert await life.ends() == ""
            assert sorted(before[life.device] + life.shown) == sorted(account.published)


@pytest.mark.parametrize("resync", [True, False], ids=["with", "without"])
async def test_a_cursor_older_than_anything_kept(gate: Gate, account: Account, tmp_path: Path, resync: bool) -> None:
    """The whole state is loaded, then what is kept comes; who cannot load it stops, for a silent gap is a loss."""
    old = {kind: Cursors(await aged(gate, account, kind)) for kind in KINDS}
    await account.publish_all(2)
    async with all_kinds(
        lambda kind: account.subject(kind, cursors=old[kind], resync=resync), gate.url, tmp_path
    ) as subjects:
        for subject in subjects:
            if resync:
                await subject.shows(account.published)
                assert subject.count("resync") == 1
            else:
                assert (await subject.ends()).startswith("Closed: closed with 4410 resync-required"), subjects


async def aged(gate: Gate, account: Account, device: str) -> str:
    """The cursor of a new device as it would be after eight days."""
    async with DeviceClient(gate.url, device, account.token(device)) as client:
        await client.register("browser", "2.0")
        cursor = cursors.decode(client.cursor, 4)
        return cursors.encode(cursor._replace(as_of=cursor.as_of - 8 * 86_400))


async def test_a_device_that_was_replaced_does_not_come_back(gate: Gate, account: Account, tmp_path: Path) -> None:
    """Another connection of the same device stands: two that replace each other would do so for ever."""
    async with all_kinds(account.subject, gate.url, tmp_path) as subjects:
        for subject in subjects:
            await subject.welcomed()
            other = DeviceClient(gate.url, subject.device, account.token(subject.device))
            async with other as client, client.connect() as socket:
                assert (await socket.receive(20))["type"] == "welcome"
                assert (await subject.ends()).startswith("Closed: closed with 4409 replaced")


async def test_an_item_that_could_not_be_taken_comes_again(gate: Gate, account: Account, tmp_path: Path) -> None:
    """The error of the application ends the device; what it had taken before is saved and acked, and no more."""
    kept, failing = Cursors(), {"n": 1}

    async def take(item: dict[str, Any]) -> None:
        shown.append(item["events"][0])
        if len(shown) == 3 and failing.pop("n", 0):
            raise OSError("the disk is full")
        if len(shown) == 6:
            device.stop()

    shown: list[str] = []
    device = Device(gate.url, "tv", lambda: account.token("tv"), "browser", "2.0", cursors=kept)
    first = asyncio.create_task(device.run(take))
    await until(lambda: bool(kept.load()), lambda: "not registered")
    for _ in range(5):
        await asyncio.to_thread(account.publish)
    with pytest.raises(OSError, match="the disk is full"):
        await first
    await device.run(take)
    assert shown == [*account.published[:3], *account.published[2:]]
