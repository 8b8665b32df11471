"""Notifications for each CPU-second through the sinks of APNs, FCM and Web Push, beside clients that others wrote.

Everybody sends the same to the same servers, which run in a process of their own, check what they get and tell what
they took. Ours is the whole sink: budgets in Redis, breakers, results. The last line is JSON; `wrong` counts what did
not arrive, or came once more.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import aiohttp
from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol
from joserfc.jwk import RSAKey
from msgspec.structs import replace
from pywebpush import webpush_async

from bench.measure import report
from bench.program import launch
from bench.push_servers import AUTH, PROJECT
from deploy.local.servers import local_servers
from sinks.content import message
from sinks.keys import pack
from sinks.push import open_sink
from sinks.results import Sink
from streams.envelope import Push
from streams.providers import Apns, Egress, Fcm, Webpush
from streams.settings import Redis, Settings
from streams.stage import Resources
from tests.integration.platforms.apple import KEY_ID, TEAM, TOPIC
from tests.unit.fakes import FakeOutput, make_stage
from tests.unit.sinks.make import push

#: A worker delivers so many partitions side by side, each a batch after the other of so many pushes at most.
PARTITIONS, BATCH = 8, 500
AT_ONCE = 50
SUBJECT = "mailto:bench@lockstep.example"
PEERS = {"apns": "aioapns", "fcm": "aiohttp", "webpush": "pywebpush"}
Send = Callable[[Sequence[Push]], Awaitable[None]]


class Servers(NamedTuple):
    """The providers."""

    http: str
    apns: str
    apns_of_peer: str
    authorities: str
    point: bytes
    signer: str

    def taken(self) -> dict[str, list[int]]:
        """The numbers of the notifications that each took since the last time."""
        with urllib.request.urlopen(f"{self.http}/told", timeout=30) as answer:
            found: dict[str, list[int]] = json.load(answer)
        return found

    def settings(self, redis: tuple[str, int]) -> Settings:
        """Those of workers."""
        account = {
            "project_id": PROJECT, "client_email": "bench@example.org", "token_uri": f"{self.http}/token",
            "private_key": RSAKey.generate_key(2048, private=True).as_pem(private=True).decode(),
        }  # fmt: skip
        apns = Apns(url=self.apns, key=self.signer, key_id=KEY_ID, team=TEAM, topic=TOPIC, authorities=self.authorities)
        return Settings(
            redis=Redis(host=redis[0], port=redis[1]),
            apns=replace(apns, at_once=AT_ONCE, connections=1, timeout=60.0),
            fcm=Fcm(url=self.http, account=json.dumps(account), at_once=AT_ONCE, timeout=60.0),
            webpush=Webpush(key=self.signer, subject=SUBJECT, at_once=AT_ONCE, timeout=60.0),
            egress=Egress(allow=("http:" + self.http.rpartition(":")[2],), networks=("127.0.0.0/8",)),
        )


@contextmanager
def serving() -> Iterator[Servers]:
    """The providers' process."""
    command = [sys.executable, "-m", "bench.push_servers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline())
        yield Servers(**{**found, "point": bytes.fromhex(found["point"])})


def pushes(platform: str, number: int, servers: Servers) -> list[Push]:
    """Notifications, each for a device of its own; their payloads are numbered."""
    now = int(time.time() * 1000)
    run = uuid.uuid4().hex
    return [
        push(n, lane=1, time=now, deadline=now + 600_000, expires=now + 3_600_000, wake="alert",
             payload=b'{"n":%d,"plan":"family"}' % n, targets=((f"device-{n}", 0, 0, 0),),
             tokens=(token(platform, run, n, servers),))
        for n in range(number)
    ]  # fmt: skip


def token(platform: str, run: str, n: int, servers: Servers) -> bytes:
    """A device's."""
    if platform == "webpush":
        keys = {
            "p256dh": base64.urlsafe_b64encode(servers.point).decode(),
            "auth": base64.urlsafe_b64encode(AUTH).decode(),
        }
        return pack("webpush", f"{servers.http}/push/{run}-{n}", keys).encode()
    return f"{run}{n:08}".encode()


async def ours(stack: AsyncExitStack, platform: str, settings: Settings) -> Send:
    """The sink, in batches of several partitions as a worker gets them."""
    made = make_stage("push", FakeOutput(), lane=1, platform=platform, settings=settings)
    stage = replace(made, resources=Resources(settings, stack), clock=time.time)
    sink: Sink = await open_sink(stage)

    async def partition(each: Sequence[Push]) -> None:
        for begin in range(0, len(each), BATCH):
            await sink.deliver(each[begin : begin + BATCH])

    async def send(each: Sequence[Push]) -> None:
        await asyncio.gather(*(partition(each[number::PARTITIONS]) for number in range(PARTITIONS)))

    return send


async def each_of(items: Sequence[Push], one: Callable[[Push], Awaitable[object]]) -> None:
    """As many at once as ours."""
    queue = iter(items)

    async def work() -> None:
        for item in queue:
            await one(item)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def aioapns(stack: AsyncExitStack, servers: Servers) -> Send:
    """The client for APNs."""
    host, port = servers.apns_of_peer.removeprefix("https://").split(":")
    APNsProductionClientProtocol.INACTIVITY_TIME = 3600  # each new connection brings a new token, which Apple refuses
    APNsProductionClientProtocol.APNS_SERVER, APNsProductionClientProtocol.APNS_PORT = host, int(port)
    context = ssl.create_default_context(cafile=servers.authorities)
    context.set_alpn_protocols(["h2"])
    client = APNs(key=servers.signer, key_id=KEY_ID, team_id=TEAM, topic=TOPIC, max_connections=1, ssl_context=context)

    async def one(push: Push) -> None:
        aps = {"alert": {"loc-key": push.type}, "mutable-content": 1}
        item = json.loads(message(push, "high", 4096))
        request = NotificationRequest(
            push.tokens[0].decode(), {"aps": aps, "item": item}, time_to_live=600, priority=10,
            push_type=PushType.ALERT,
        )  # fmt: skip
        await client.send_notification(request)

    async def send(each: Sequence[Push]) -> None:
        await each_of(each, one)

    return send


async def plain(stack: AsyncExitStack, servers: Servers) -> Send:
    """A client for FCM as one writes it with aiohttp."""
    connector = aiohttp.TCPConnector(limit=0)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
    url = f"{servers.http}/v1/projects/{PROJECT}/messages:send"

    async def one(push: Push) -> None:
        data = {"item": message(push, "high", 4096).decode()}
        android = {"priority": "HIGH", "ttl": "600s", "notification": {"title_loc_key": push.type}}
        body = {"message": {"token": push.tokens[0].decode(), "data": data, "android": android}}
        async with session.post(url, json=body, headers={"Authorization": "Bearer bench"}) as response:
            await response.json()

    async def send(each: Sequence[Push]) -> None:
        await each_of(each, one)

    return send


async def pywebpush(stack: AsyncExitStack, servers: Servers) -> Send:
    """The client for push services."""
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
        file.write(servers.signer)

    async def one(push: Push) -> None:
        packed = json.loads(push.tokens[0])
        await webpush_async(
            {"endpoint": packed["url"], "keys": packed["keys"]}, message(push, "high", 4096).decode(),
            vapid_private_key=file.name, vapid_claims={"sub": SUBJECT}, ttl=600, aiohttp_session=session,
        )  # fmt: skip

    async def send(each: Sequence[Push]) -> None:
        await each_of(each, one)

    stack.callback(Path(file.name).unlink)
    return send


async def rate(send: Send, each: Sequence[Push]) -> float:
    """Notifications for each CPU-second of this process."""
    begun = time.process_time()
    await send(each)
    return len(each) / (time.process_time() - begun)


async def measure(servers: Servers, settings: Settings, number: int, rounds: int) -> dict[str, float]:
    """The medians of some rounds, in which ours and theirs take turns; a ratio is that of two neighbours."""
    rates: dict[str, list[float]] = {}
    wrong = 0
    async with AsyncExitStack() as stack:
        clients: dict[str, Send] = {name: await ours(stack, name, settings) for name in PEERS}
        theirs = {"apns": aioapns, "fcm": plain, "webpush": pywebpush}
        clients |= {PEERS[name]: await make(stack, servers) for name, make in theirs.items()}
        for turn in range(rounds + 1):  # the first is to warm up
            for platform, peer in PEERS.items():
                for client in (platform, peer):
                    found = await rate(clients[client], pushes(platform, number, servers))
                    wrong += misplaced(servers.taken()[platform], number)
                    if turn:
                        rates.setdefault(client, []).append(found)
    return {
        **{f"{name}_per_cpu_s": round(median(rates[name])) for name in PEERS},
        **{f"ratio_{peer}": ratio(rates[name], rates[peer]) for name, peer in PEERS.items()},
        "wrong": wrong,
    }


def misplaced(taken: Sequence[int], number: int) -> int:
    """How many of so many notifications are missing, and how many came that should not have: again, or unknown."""
    meant = set(range(number))
    return len(meant - set(taken)) + len(taken) - len(meant & set(taken))


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times as fast, in the middle of all rounds."""
    return round(median(my / their for my, their in zip(mine, theirs, strict=True)), 2)


def main() -> int:
    """Boot Redis, measure, print one line of JSON; 1 where something did not arrive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=8000, help="for each client and round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts (default %(default)s)")
    arguments = parser.parse_args()
    with local_servers(["redis"]) as running, serving() as servers:
        settings = servers.settings(running.endpoints.redis)
        return report(asyncio.run(measure(servers, settings, arguments.messages, arguments.rounds)))


if __name__ == "__main__":
    launch(main)
