"""A device that holds a socket for as long as it runs: acks, keeps its cursor, comes back with patience."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import click
import msgspec

from edge.cli.common import note
from edge.cli.device import Device
from edge.client import Closed, DeviceClient, Refused, Socket
from edge.messages import HELLO_TIMEOUT, RESYNC_REQUIRED

#: Seconds before the first try to come back, and the most.
_FIRST: Final = 0.5
_MOST: Final = 30.0
_chance: Final = random.SystemRandom()
_WANTS_ANOTHER: Final = range(4400, 4500)


class Ended(Exception):
    """The socket ended and is worth another try, after `pause` seconds if the edge named a time."""

    def __init__(self, why: str, pause: float | None = None) -> None:
        super().__init__(why)
        self.pause = pause


class Listener:
    """Runs a device until it has what it waits for."""

    def __init__(self, device: Device, ack: bool, count: int | None) -> None:
        self._device = device
        self._ack = ack
        self._left = count
        self._tries = 0

    async def run(self) -> None:
        """Listen until `count` notifications have come, or for ever. Raises what no other try mends."""
        device = self._device
        async with DeviceClient(device.url, device.id, device.token, device.state.read()) as client:
            while True:
                try:
                    await self._once(client)
                except Ended as ended:
                    pause = self._pause() if ended.pause is None else ended.pause
                    note(f"{ended}; again in {pause:.1f} s")
                    await asyncio.sleep(pause)
                else:
                    return

    async def _once(self, client: DeviceClient) -> None:
        try:
            await client.register(self._device.type, self._device.app_version)
            self._device.state.write(client.cursor)
            async with client.connect() as socket:
                await self._frames(client, socket)
        except Refused as refused:
            if refused.status < 500 and refused.status != 429:
                raise
            raise Ended(str(refused)) from refused
        except Closed as closed:
            raise self._closed(client, closed) from closed
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Ended(str(error) or type(error).__name__) from error

    async def _frames(self, client: DeviceClient, socket: Socket) -> None:
        pause = None
        async for frame in socket:
            click.echo(msgspec.json.encode(frame))
            match frame["type"]:
                case "welcome":
                    self._tries = 0
                case "goaway":
                    pause = float(frame["reconnect_after"])
                case "notification" | "sync_end":
                    await self._took(client, socket, frame)
            if self._left == 0:
                await socket.close()
                return
        raise Ended("the socket was closed", pause)

    async def _took(self, client: DeviceClient, socket: Socket, frame: Mapping[str, Any]) -> None:
        if self._ack and frame["type"] == "notification":
            await socket.ack()
        self._device.state.write(client.cursor)
        if self._left is not None and frame["type"] == "notification":
            self._left -= 1

    def _closed(self, client: DeviceClient, closed: Closed) -> Exception:
        if closed.code == RESYNC_REQUIRED.code:
            client.cursor = ""
            return Ended(f"{closed}; starting afresh", 0.0)
        if closed.code in _WANTS_ANOTHER and closed.code != HELLO_TIMEOUT.code:
            return closed
        return Ended(str(closed))

    def _pause(self) -> float:
        """Twice as long each time, and a random part of it: many devices come back at once."""
        self._tries += 1
        return min(_MOST, _FIRST * float(2**self._tries)) * _chance.uniform(0.5, 1.0)
