"""The devices of the household: they register, stay online or off, and note when each event arrives."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from lockstep_client import Closed, DeviceClient

from edge.auth.tokens import PRIVATE, issue
from examples.demo.scenario import ACCOUNT, Home
from streams.settings import Tokens

APP_VERSION = "2.0"
DAY = 86_400.0


@dataclass
class Receipt:
    """An event that a device has: when it came (monotonic s) and how."""

    at: float
    how: str


@dataclass
class Device:
    """One device of the household and what it got."""

    home: Home
    client: DeviceClient
    receipts: dict[str, Receipt] = field(default_factory=dict)
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def register(self) -> None:
        """Tell the edge that the device is there; from now on its inbox is kept."""
        await self.client.register(self.home.type, APP_VERSION)

    def switch_on(self) -> None:
        """Go online, and come back whenever the socket ends."""
        self.task = asyncio.create_task(self._stay_online())

    async def switch_off(self) -> None:
        """Go offline."""
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task

    async def _stay_online(self) -> None:
        while True:
            with suppress(Closed, aiohttp.ClientError):
                await self._hold_a_socket()
            await asyncio.sleep(0.5)

    async def _hold_a_socket(self) -> None:
        async with self.client.connect() as socket:
            async for frame in socket:
                if frame["type"] == "sync_end":
                    self.synced.set()
                if frame["type"] == "notification":
                    how = "pushed" if self.synced.is_set() else "from its inbox"
                    for event in frame["item"]["events"]:
                        self.receipts[event] = Receipt(time.monotonic(), how)
                    await socket.ack()


def token_for(home: Home, tokens: Tokens, account: str = ACCOUNT) -> str:
    """A development token of a device, signed with the key beside the public ones."""
    return issue(Path(tokens.keys).with_name(PRIVATE), tokens, home.id, account, home.type, DAY)
