"""The second act: an event wakes devices through providers that are stand-ins, and a Firefox where there is one."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
import uuid
from concurrent.futures import Future
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from lockstep_client import DeviceClient

from examples.demo.household import token_for
from examples.demo.scenario import Home
from examples.demo.watch import Watch
from streams.envelope import position
from streams.settings import Settings
from streams.topology import Topology
from streams.transport.client import Publisher
from tests.integration.platforms.all import CASES, variables
from tests.integration.platforms.cases import OK, Case
from tests.integration.platforms.firefoxes import Firefoxes, NoBrowser, is_installed

ACCOUNT: Final = "household-8"
#: The device that each platform wakes.
DEVICES: Final = {"apns": "phone", "fcm": "tablet", "webpush": "browser", "webhook": "stick"}
WAIT_SECONDS: Final = 20.0
_START_SECONDS: Final = 10.0


class Providers:
    """The stand-ins, and the browser, in a thread of their own; a context manager."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {name: make() for name, make in CASES.items()}
        if is_installed():
            self.cases["webpush"] = Firefoxes()
        self.readers: dict[str, str] = {}  # what reads on the devices, where that is no stand-in
        self.variables: dict[str, str] = {}
        self._prepared: dict[str, Future[str]] = {}
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="providers")

    def __enter__(self) -> Self:
        self._thread.start()
        self.variables = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for prepared in self._prepared.values():
            prepared.cancel()
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(_START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def prepare(self) -> None:
        """Begin to make devices that can be registered: a browser takes its time."""
        for name, case in self.cases.items():
            self._prepared[name] = asyncio.run_coroutine_threadsafe(case.ready(), self._loop)

    def ready(self) -> None:
        """Wait until all devices can be registered; without its browser, a stand-in takes its place."""
        for name, prepared in self._prepared.items():
            try:
                self.readers[name] = prepared.result()
            except NoBrowser as error:
                print(f"{error}: a stand-in reads for it", file=sys.stderr)

    async def _open(self) -> dict[str, str]:
        settings = Settings()
        for case in self.cases.values():
            settings = await case.open(self._stack, settings)
        return variables(settings)


async def wake(settings: Settings, topology: Topology, providers: Providers) -> bool:
    """Register a device for each platform, publish one event; whether every provider was given it, and said so."""
    async with AsyncExitStack() as stack:
        publisher = Publisher(settings.kafka.servers)
        stack.callback(publisher.close)
        watch = Watch(settings.kafka, settings.topic_prefix + "outcomes", topology.partitions)
        stack.callback(watch.stop)
        await asyncio.to_thread(providers.ready)
        for platform, device in DEVICES.items():
            await _register(settings, device, providers.cases[platform])
        begun = time.monotonic()
        headers = [("content-type", b"application/cloudevents+json")]
        value = json.dumps(_event()).encode()
        placed = await publisher.publish(settings.topic_prefix + "ingest", ACCOUNT.encode(), value, headers)
        seq = position(topology.epoch, placed[1])
        print(f"\n{ACCOUNT}: nobody is online")
        good = True
        for platform, device in DEVICES.items():
            good = await _woken(watch, seq, platform, device, providers, begun) and good
    return good


async def _register(settings: Settings, device: str, case: Case) -> None:
    home = Home(device, device)
    url = f"http://{settings.edge.host}:{settings.edge.port}"
    async with DeviceClient(url, home.id, token_for(home, settings.tokens, ACCOUNT)) as client:
        await client.register(home.type, "2.0", platform=case.name, **case.registration(OK))


async def _woken(watch: Watch, seq: int, platform: str, device: str, providers: Providers, begun: float) -> bool:
    """Wait until a device's provider has the event and lockstep knows."""
    case, reader = providers.cases[platform], providers.readers.get(platform)
    for _ in range(int(WAIT_SECONDS / 0.01)):
        if device in watch.fate(ACCOUNT, seq).accepted and case.seen:
            ms = (time.monotonic() - begun) * 1000
            by = f", read by {reader}" if reader else ""
            print(f" {device:10} accepted by {platform} {ms:.0f}{by}: {case.seen[-1].content['type']}")
            return True
        await asyncio.sleep(0.01)
    print(f"!{device:10} not accepted by {platform}")
    return False


def _event() -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": uuid.uuid4().hex[:12], "source": "/demo", "type": "member.plan.changed",
        "subject": ACCOUNT, "time": datetime.now(UTC).isoformat(), "datacontenttype": "application/json",
        "data": {"plan": "premium"},
    }  # fmt: skip
