"""The process that is devices without a socket: each asks again and again, and nothing is new.

Orders: {do: "meet", host, port, keys, names} -> how many have asked once, and hold cursor and tag; {do: "poll", rate,
count, path} -> {seconds, wrong}: polls at a rate, open loop, over a few connections that stay open; in the file `path`
then lies what each took from when it was due (s). Anything but 304 with the tag is wrong.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from bench.child import serve
from bench.crowd import LIFE_S
from edge.auth.tokens import issue
from streams.settings import Tokens

CONNECTIONS: Final = 32
#: An answer that takes longer is wrong, s.
ANSWER_S: Final = 30.0
DEVICE: Final = "tv"


class Line(asyncio.Protocol):
    """A connection that stays open; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """What was asked has no answer."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(b"")

    def data_received(self, data: bytes) -> None:
        """An answer is over with its head, unless its head says how much follows."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if found and len(body) >= body_size(head) and self._answer is not None and not self._answer.done():
            self._data = b""
            self._answer.set_result(head)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    async def ask(self, request: bytes) -> bytes:
        """The head of the answer; empty where the connection is closed, as it is after an answer that did not come."""
        if self._transport is None:
            return b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answer
        except TimeoutError:
            self._transport.abort()  # what comes now would be taken for the answer to the next
            return b""


def body_size(head: bytes) -> int:
    """Bytes that follow the head of an answer."""
    status, *lines = head.lower().split(b"\r\n")
    if status.split(b" ")[1:2] == [b"304"]:
        return 0
    return next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)


def is_nothing_new(head: bytes, tag: bytes) -> bool:
    """Whether an answer is 304 with the tag that was asked about."""
    status, *lines = head.split(b"\r\n")
    return status.startswith(b"HTTP/1.1 304 ") and any(
        line[:5].lower() == b"etag:" and line[5:].strip() == tag for line in lines
    )


class Askers:
    """The devices: the request of each, and its tag."""

    def __init__(self, requests: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._requests = list(requests)
        self._lines: asyncio.Queue[Line] = asyncio.Queue()
        self._took = array("d")
        self._wrong = 0

    async def meet(self, host: str, port: int, keys: str, accounts: Sequence[str]) -> int:
        """Ask once for each account's device, without a cursor; open connections anew. How many devices there are."""
        self.close()
        self._requests.clear()
        await asyncio.to_thread(self._first, host, port, keys, accounts)
        await self.open(host, port)
        return len(self._requests)

    async def open(self, host: str, port: int) -> None:
        """Open the connections. Raises OSError."""
        for _ in range(CONNECTIONS):
            _, line = await asyncio.get_running_loop().create_connection(Line, host, port)
            self._lines.put_nowait(line)

    def _first(self, host: str, port: int, keys: str, accounts: Sequence[str]) -> None:
        connection = http.client.HTTPConnection(host, port, timeout=30)
        for account in accounts:
            path = f"/v1/devices/{DEVICE}/notifications"
            bearer = f"Bearer {issue(Path(keys), Tokens(), DEVICE, account, DEVICE, LIFE_S)}"
            connection.request("GET", path, headers={"Authorization": bearer})
            answer = connection.getresponse()
            page, tag = json.loads(answer.read()), answer.headers["ETag"]
            assert answer.status == 200, page
            assert not page["items"], page
            self._requests.append((
                f"GET {path}?cursor={page['next_cursor']} HTTP/1.1\r\nHost: edge\r\nAuthorization: {bearer}\r\n"
                f"If-None-Match: {tag}\r\n\r\n".encode(),
                tag.encode(),
            ))  # fmt: skip
        connection.close()

    async def poll(self, rate: float, count: int, path: str) -> dict[str, float]:
        """Poll in turn, so many times, `rate` a second whatever became of those before."""
        self._took, self._wrong = array("d"), 0
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self._ask(number, due, await self._lines.get()))
        np.save(path, np.frombuffer(self._took))
        return {"seconds": time.monotonic() - began, "wrong": self._wrong}

    async def _ask(self, number: int, due: float, line: Line) -> None:
        request, tag = self._requests[number % len(self._requests)]
        head = await line.ask(request)
        self._took.append(time.monotonic() - due)
        self._wrong += not is_nothing_new(head, tag)
        self._lines.put_nowait(line)

    def close(self) -> None:
        """End the connections that nobody uses."""
        while not self._lines.empty():
            self._lines.get_nowait().close()


async def main() -> None:
    """Take orders until there are no more."""
    askers = Askers()

    async def obey(order: dict[str, Any]) -> Any:
        if order["do"] == "meet":
            return await askers.meet(order["host"], order["port"], order["keys"], order["names"])
        return await askers.poll(order["rate"], order["count"], order["path"])

    await serve(obey)
    askers.close()


if __name__ == "__main__":
    asyncio.run(main())
