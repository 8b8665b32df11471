"""The process that is the devices: each holds a socket, acks, and notes when it was sent which event.

Orders: {do: "connect", host, port, keys, load, acks} -> how many are live, and ack if `acks`; {do: "shown"} -> events
shown so far; {do: "save", path} -> the same, with all of them in a file: arrays of account, device (its place in the
load's homes), number of the event, and the moment at which it came (monotonic, ns).
"""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from array import array
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import numpy as np

from bench.child import serve_beside
from bench.plan import Load
from edge.auth.tokens import issue
from edge.sockets.frames import CLOSE, PING, PONG, TEXT
from streams.settings import Tokens

#: A device acks after so many items, and in any case within a second.
ACK_EVERY: Final = 32
ACK_SECONDS: Final = 1.0
AT_ONCE: Final = 50
LIFE_S: Final = 86_400.0
#: A device that is not live so long after its first try ends the benchmark, s.
LIVE_S: Final = 60.0


class Item(msgspec.Struct, gc=False):
    """What a device needs of an item."""

    events: list[str]
    cursor: str


class Message(msgspec.Struct, gc=False):
    """Any message of the server."""

    type: str
    item: Item | None = None
    cursor: str = ""


_decode = msgspec.json.Decoder(Message).decode


def frames(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Opcode, payload and end of every whole frame of a server."""
    at = 0
    while len(data) >= at + 2:
        size, start = data[at + 1] & 0x7F, at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            start += width
            size = int.from_bytes(data[at + 2 : start], "big")
        if len(data) < start + size:
            return
        yield data[at] & 0x0F, data[start : start + size], start + size
        at = start + size


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame of a client; its mask is all zeros, which changes nothing."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((0x80 | opcode,)) + length + b"\0\0\0\0" + payload


class Arrivals:
    """All that came to any device."""

    def __init__(self) -> None:
        self.accounts, self.devices, self.numbers, self.times = (array("q") for _ in range(4))
        self.unacked: set[Device] = set()

    def add(self, account: int, device: int, number: int) -> None:
        """A device shows an event now."""
        self.accounts.append(account)
        self.devices.append(device)
        self.numbers.append(number)
        self.times.append(time.monotonic_ns())

    def table(self) -> Any:
        """All, a row of an array each."""
        return np.array([self.accounts, self.devices, self.numbers, self.times], np.int64)


class Device(asyncio.Protocol):
    """One socket."""

    def __init__(self, place: tuple[int, int], token: str, arrivals: Arrivals, acks: bool = True) -> None:
        """`acks`: whether it says what it has."""
        self.live: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unacked = 0
        self.acks = acks
        self._place = place
        self._token = token
        self._arrivals = arrivals
        self._cursor = ""
        self._data = b""
        self._open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        self._data, self._open = b"", False
        self._acked()  # the hello says the same; before it nothing may be said
        key = base64.b64encode(b"sixteen bytes :)")
        self._write(
            b"GET /v1/socket HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: lockstep.v1\r\nSec-WebSocket-Key: %b\r\n\r\n" % key
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody comes back: what is not delivered is counted as missing."""
        self._transport = None
        if not self.live.done():
            self.live.set_exception(ConnectionError(f"the socket ended before it was live: {exc}"))

    def data_received(self, data: bytes) -> None:
        """Take what is whole."""
        data = self._data + data
        if not self._open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._data = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._open = True
            self.upgraded()
            self._say({"type": "hello", "token": self._token, "cursor": self._cursor})
        whole = 0
        for opcode, payload, end in frames(data):
            self._take(opcode, payload)
            whole = end
        self._data = data[whole:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            message = _decode(payload)
            if message.item is not None:
                for event in message.item.events:
                    self._arrivals.add(*self._place, int(event[1:]))
                self._cursor = message.item.cursor
                if self.acks:
                    self._to_ack()
            elif message.type == "sync_end":
                self._cursor = message.cursor
                self.synced()
            elif message.type == "error":
                print(payload.decode(), file=sys.stderr)
        elif opcode == PING:
            self._write(masked(PONG, payload))
        elif opcode == CLOSE and self._transport is not None:
            self._transport.close()

    def upgraded(self) -> None:
        """The connection is a WebSocket."""

    def synced(self) -> None:
        """All that was missed has come; it may come again."""
        if not self.live.done():
            self.live.set_result(None)

    def _to_ack(self) -> None:
        self.unacked += 1
        self._arrivals.unacked.add(self)
        if self.unacked >= ACK_EVERY:
            self.ack()

    def ack(self) -> None:
        """Say that all so far is taken."""
        self._acked()
        self._say({"type": "ack", "cursor": self._cursor})

    def _acked(self) -> None:
        self.unacked = 0
        self._arrivals.unacked.discard(self)

    def _say(self, message: dict[str, str]) -> None:
        self._write(masked(TEXT, msgspec.json.encode(message)))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


class Crowd:
    """All devices that are online."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self._devices: list[Device] = []
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def connect(self, host: str, port: int, keys: str, load: Load, acks: bool) -> int:
        """Open the sockets of a load's accounts; how many there are. Raises ConnectionError."""
        homes = [(place, home) for place, home in enumerate(load.homes()) if home.on]
        devices = (
            Device((account, place), issue(Path(keys), Tokens(), home.id, name, home.type, LIFE_S), self.arrivals, acks)
            for account, name in enumerate(load.names())
            for place, home in homes
        )
        await asyncio.gather(*(self._connect(host, port, device) for device in devices))
        return len(self._devices)

    async def _connect(self, host: str, port: int, device: Device) -> None:
        async with self._gate:
            await asyncio.get_running_loop().create_connection(lambda: device, host, port)
            async with asyncio.timeout(LIVE_S):
                await device.live
            self._devices.append(device)

    async def ack_in_time(self) -> None:
        """Ack what waits, each second; for ever. Those who wait for nothing are not looked at: there are many."""
        while True:
            await asyncio.sleep(ACK_SECONDS)
            for device in list(self.arrivals.unacked):
                device.ack()


async def main() -> None:
    """Take orders until there are no more."""
    crowd = Crowd()
    await serve_beside(crowd.ack_in_time(), partial(_obey, crowd))


async def _obey(crowd: Crowd, order: dict[str, Any]) -> int:
    if order["do"] == "connect":
        place = order["host"], order["port"], order["keys"]
        return await crowd.connect(*place, Load(*order["load"]), order["acks"])
    if order["do"] == "save":
        np.save(order["path"], crowd.arrivals.table())
    return len(crowd.arrivals.numbers)


if __name__ == "__main__":
    asyncio.run(main())
