"""What the suite over all sinks asks of a platform: a provider of the tests, and tokens that make it behave."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web
from msgspec.structs import astuple, replace

from sinks.push import open_sink
from sinks.results import Result, Sink
from streams.envelope import Push
from streams.settings import Settings
from streams.stage import Resources, Stage
from streams.topology import PlatformSpec
from tests.unit.fakes import FakeOutput, make_stage
from tests.unit.sinks.make import push

#: What providers are asked to do; each answers in its own way.
OK, GONE, BUSY, FAULT, REFUSED, HANG = "ok", "gone", "busy", "fault", "refused", "hang"
REDIRECT = "redirect"
#: What `busy` asks for, s.
PAUSE_S = 7
TIMEOUT_S = 2.0


class Seen(NamedTuple):
    """What a provider was given for a device: the JSON that the device gets, and the headers."""

    content: dict[str, Any]
    headers: Mapping[str, str]


class Case(ABC):
    """A platform with a provider of the tests."""

    name: str
    #: How it names what is refused.
    refusal = "status 400"

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.failing = False  # everybody is answered 503

    @abstractmethod
    async def open(self, stack: AsyncExitStack, settings: Settings) -> Settings:
        """Start the provider; the settings with it."""

    async def ready(self) -> str:
        """Wait until its devices can be registered; what reads on them, empty: a stand-in."""
        return ""

    @abstractmethod
    def token(self, behaviour: str) -> bytes:
        """A token of a device for which the provider behaves so."""

    def registration(self, behaviour: str) -> dict[str, Any]:
        """What a device with such a token registers: `token`, and `keys` where the platform has some."""
        token = self.token(behaviour).decode()
        if not token.startswith("{"):
            return {"token": token}
        packed = json.loads(token)
        return {"token": packed["url"], "keys": packed["keys"]}


class Running:
    """A platform's sink and its provider."""

    def __init__(self, case: Case, sink: Sink, stage: Stage) -> None:
        self.case = case
        self.sink = sink
        self.stage = stage

    def push(self, offset: int, *behaviours: str, **changes: Any) -> Push:
        """A push for one device for each behaviour; each device has the name of its behaviour."""
        now = int(time.time() * 1000)
        times = {"time": now - 20, "deadline": now + 60_000, "expires": now + 3_600_000}
        targets = tuple((name, 0, 0, 0) for name in behaviours)
        tokens = tuple(map(self.case.token, behaviours))
        return push(offset, **{"lane": 1, "targets": targets, "tokens": tokens, **times, **changes})

    async def deliver(self, *pushes: Push) -> list[Result]:
        """The results in the order of the pushes, then of the names of their devices."""
        async with asyncio.timeout(30):
            return sorted(await self.sink.deliver(pushes), key=astuple)

    async def statuses(self, *behaviours: str) -> Sequence[str]:
        """The statuses of one push."""
        found = {result.device: result.status for result in await self.deliver(self.push(1, *behaviours))}
        return [found[name] for name in behaviours]


@asynccontextmanager
async def running(case: Case, settings: Settings) -> AsyncIterator[Running]:
    """The sink of a platform on the resources of a worker of its own."""
    async with AsyncExitStack() as stack:
        settings = await case.open(stack, settings)
        await case.ready()
        made = make_stage("push", FakeOutput(), lane=1, platform=case.name, settings=settings)
        platforms = {**made.topology.platforms, "stub": PlatformSpec(sink="sinks.stub.sink")}
        topology = replace(made.topology, platforms=platforms)
        stage = replace(made, topology=topology, resources=Resources(settings, stack), clock=time.time)
        yield Running(case, await open_sink(stage), stage)


async def serve(stack: AsyncExitStack, app: web.Application) -> str:
    """The address of a server that ends with the stack, `http://127.0.0.1:<port>`."""
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.01)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


async def answered(behaviour: str, statuses: Mapping[str, int]) -> web.Response:
    """The answer of a plain provider."""
    if behaviour == HANG:
        await asyncio.sleep(3600)
    headers = {"Retry-After": str(PAUSE_S)} if behaviour == BUSY else {}
    if behaviour == REDIRECT:
        headers["Location"] = f"/{OK}"
    return web.Response(status=statuses[behaviour], headers=headers)
