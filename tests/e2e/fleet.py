"""Devices of many accounts: a television each that stays online and acks, and a phone each that pulls at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from lockstep_client import Closed, DeviceClient, Refused

from edge.auth.tokens import issue
from streams.settings import Tokens
from tests.e2e.oracle import Shown

#: Seconds that tokens live: longer than the longest run.
LIFE = 86_400.0
#: A television acks when so many frames came since its last ack, and at least once in so many seconds.
ACK_EVERY = 32
ACK_SECONDS = 0.2


@dataclass
class Device:
    """One device and what it showed."""

    account: str
    client: DeviceClient
    shown: Shown
    sockets: int = 0

    def show(self, items: Sequence[dict[str, Any]]) -> None:
        """Note what a person would see."""
        for item in items:
            for id_ in item["events"]:
                self.shown.add(id_)


class Fleet:
    """An async context manager: registers everybody and keeps the televisions online."""

    def __init__(self, url: str, keys: Path, accounts: Sequence[str]) -> None:
        self._url = url
        self._keys = keys
        self._accounts = accounts
        self._stack = AsyncExitStack()
        self.tasks: list[asyncio.Task[None]] = []
        self.televisions: list[Device] = []
        self.phones: list[Device] = []

    async def __aenter__(self) -> Fleet:
        for number in range(len(self._accounts)):
            self.televisions.append(await self._device(number, "tv"))
            self.phones.append(await self._device(number, "phone"))
        self.tasks = [asyncio.create_task(stay_online(tv)) for tv in self.televisions]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._stack.aclose()

    async def pull_all(self) -> None:
        """Every phone reads its inbox to the end and presents the last cursor."""
        for phone in self.phones:
            more = True
            while more:
                page = await phone.client.pull(200)
                phone.show(page.items)
                more = page.more
            await phone.client.ack()

    def repeats(self) -> int:
        """Notifications that came more than once and were not shown again."""
        return sum(device.client.seen.repeats for device in (*self.televisions, *self.phones))

    def shown(self) -> int:
        """Events that televisions showed so far."""
        return sum(tv.shown.total for tv in self.televisions)

    async def _device(self, number: int, name: str) -> Device:
        account = self._accounts[number]
        token = issue(self._keys, Tokens(), name, account, name, LIFE)
        client = await self._stack.enter_async_context(DeviceClient(self._url, name, token))
        await client.register(name, "2.0")
        return Device(account, client, Shown(number, len(self._accounts)))


async def stay_online(device: Device) -> None:
    """Hold a socket, and another one when it ends, whatever ended it."""
    while True:
        with suppress(Closed, Refused, aiohttp.ClientError, ConnectionError):
            await _hold_a_socket(device)
        await asyncio.sleep(0.3)


async def _hold_a_socket(device: Device) -> None:
    async with device.client.connect() as socket:
        device.sockets += 1
        unacked = 0
        last = asyncio.get_running_loop().time()
        async for frame in socket:
            if frame["type"] == "notification":
                device.show([frame["item"]])
                unacked += 1
            now = asyncio.get_running_loop().time()
            if unacked >= ACK_EVERY or frame["type"] == "sync_end" or (unacked and now - last > ACK_SECONDS):
                await socket.ack()
                unacked, last = 0, now


def by_account(devices: Sequence[Device]) -> dict[str, Shown]:
    """What each account's device showed."""
    return {device.account: device.shown for device in devices}


def accounts(number: int) -> Iterator[str]:
    """Names of the accounts of the load."""
    return (f"account-{index}" for index in range(number))
