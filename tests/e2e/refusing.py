"""A way to an edge on which no socket can be opened for a while, as behind some proxies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 4\r\nConnection: close\r\n\r\nno.\n"


class Refusing:
    """Passes connections on to the edge at `port`; while `closed`, a request for a socket gets 403, a late one too."""

    def __init__(self, port: int) -> None:
        self.closed = True
        self.refused = 0
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                await self._join(reader, writer)
        finally:
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_edge, to_edge = await asyncio.open_connection("127.0.0.1", self._port)
        ways = [asyncio.create_task(self._ask(reader, to_edge, writer)), asyncio.create_task(_copy(from_edge, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            to_edge.close()
            for way in ways:
                way.cancel()

    async def _ask(
        self, reader: asyncio.StreamReader, to_edge: asyncio.StreamWriter, to_device: asyncio.StreamWriter
    ) -> None:
        """Requests of a device, which waits for each answer; none is cut, for all are short."""
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.closed and data.startswith(b"GET /v1/socket"):
                    self.refused += 1
                    to_device.write(REFUSAL)
                    await to_device.drain()
                    return
                to_edge.write(data)
                await to_edge.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def refusing(port: int) -> AsyncIterator[tuple[Refusing, str]]:
    """The way, and the address at its beginning."""
    way = Refusing(port)
    server = await asyncio.start_server(way.accept, "127.0.0.1", 0)
    async with server:
        try:
            yield way, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            await way.end()
