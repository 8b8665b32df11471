"""One account's devices on a running system, through our client and through a library of others."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

from lockstep_client import Closed, DeviceClient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from edge.auth.tokens import PRIVATE, issue
from streams.settings import Tokens
from tests.e2e.system import System

DEADLINE = 30.0
HOUR = 3600.0


async def until(
    condition: Callable[[], Awaitable[bool] | bool], what: Callable[[], object], seconds: float = DEADLINE
) -> None:
    """Wait for a condition; when time is up fail with what there is instead."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        held = condition()
        if held is True or (not isinstance(held, bool) and await held):
            return
        assert loop.time() < end, what()
        await asyncio.sleep(0.02)


@dataclass
class Screen:
    """A device that is online, what it was sent, and how its socket ended."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None

    @property
    def items(self) -> list[dict[str, Any]]:
        """The notifications, in order."""
        return [frame["item"] for frame in self.frames if frame["type"] == "notification"]

    @property
    def events(self) -> list[str]:
        """The ids of the events, in order."""
        return [event for item in self.items for event in item["events"]]

    @property
    def synced(self) -> bool:
        """Whether what follows is live."""
        return any(frame["type"] == "sync_end" for frame in self.frames)

    async def shows(self, *events: str) -> None:
        """Wait until the last of these has come, then they must be all."""
        await until(lambda: self.code is not None or events[-1] in self.events, lambda: (events, self))
        assert self.events == list(events)


class Household:
    """An account that no other test has. An async context manager; leaving it switches everything off."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.account = f"household-{uuid.uuid4().hex[:8]}"
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Nobody is there yet."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """Switch everything off."""
        await self._stack.aclose()

    def token(self, device: str, type_: str = "tv", lifetime: float = HOUR) -> str:
        """A good token, unless its lifetime is over."""
        private = self.system.pipeline.directory / "keys" / PRIVATE
        return issue(private, Tokens(), device, self.account, type_, lifetime)

    async def register(self, device: str, type_: str = "tv", version: str = "2.0") -> DeviceClient:
        """A device that is off."""
        client = DeviceClient(self.system.url, device, self.token(device, type_))
        await self._stack.enter_async_context(client)
        await client.register(type_, version)
        return client

    async def switch_on(self, client: DeviceClient) -> Screen:
        """Go online from the client's cursor, through our client."""
        screen = Screen()
        await self._hold(screen, self._ours(client, screen))
        return screen

    async def on(self, device: str, type_: str = "tv", version: str = "2.0") -> Screen:
        """A device that is online, through our client."""
        return await self.switch_on(await self.register(device, type_, version))

    async def on_by_another_library(self, device: str, type_: str = "tv") -> Screen:
        """A device that is online, through `websockets`."""
        client = await self.register(device, type_)
        screen = Screen()
        hello = {"type": "hello", "token": self.token(device, type_), "cursor": client.cursor}
        await self._hold(screen, self._theirs(json.dumps(hello), screen))
        return screen

    async def _hold(self, screen: Screen, work: Any) -> None:
        task = asyncio.create_task(work)

        async def stop() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        self._stack.push_async_callback(stop)
        await until(lambda: screen.synced or screen.code is not None, lambda: screen)

    @staticmethod
    async def _ours(client: DeviceClient, screen: Screen) -> None:
        try:
            async with client.connect() as socket:
                async for frame in socket:
                    screen.frames.append(frame)
                    if frame["type"] == "notification":
                        await socket.ack()
            screen.code = 1000
        except Closed as closed:
            screen.code = closed.code

    async def _theirs(self, hello: str, screen: Screen) -> None:
        async with raw_socket(self.system) as socket:
            await socket.send(hello)
            screen.code = await read_all(socket, screen.frames)


@asynccontextmanager
async def raw_socket(system: System) -> AsyncIterator[ClientConnection]:
    """A socket of the library `websockets` that has said nothing yet."""
    address = system.url.replace("http", "ws", 1) + "/v1/socket"
    async with connect(address, subprotocols=[Subprotocol("lockstep.v1")], compression=None) as socket:
        assert socket.subprotocol == "lockstep.v1"
        yield socket


async def read_all(socket: ClientConnection, frames: list[dict[str, Any]]) -> int:
    """Put frames into the list until the server closes; the close code."""
    try:
        while True:
            frames.append(json.loads(await socket.recv()))
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
