"""A TCP proxy between a process and its server that can be slow, go silent, break off, or lose the answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

Address = tuple[str, int]
T = TypeVar("T")
_CHUNK = 1 << 16
_STOP_S = 10.0


@dataclass
class Weather:
    """What happens to the bytes of a proxy. `held`: nothing passes, and nothing is lost."""

    delay: float = 0.0  # s, each way
    held: bool = False
    answers_lost: bool = False


class _Pair:
    """A connection and its continuation to the server."""

    def __init__(self, device: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.writers = (device, server)
        self.torn = False  # bytes of it were lost

    def abort(self) -> None:
        for writer in self.writers:
            _break_off(writer)


def _break_off(writer: asyncio.StreamWriter) -> None:
    """Reset a connection: the other side gets no orderly end."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Proxy:
    """Runs in a thread of its own, so that no load disturbs it; a context manager. Methods are called from outside."""

    def __init__(self, target: Address) -> None:
        self.address: Address = ("127.0.0.1", 0)
        self._target = target
        self._weather = Weather()
        self._changed = asyncio.Event()
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepted: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        future = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop)
        self._server = future.result(_STOP_S)
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_STOP_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S)
        self._loop.close()

    # -- the weather

    def delay(self, seconds: float) -> None:
        """Have every byte take so long, each way."""
        self._call(lambda: setattr(self._weather, "delay", seconds))

    def hold(self) -> None:
        """Let nothing pass: connections stay open and are silent."""
        self._call(lambda: setattr(self._weather, "held", True))

    def lose_answers(self) -> None:
        """Pass what is asked and lose what is answered."""
        self._call(lambda: setattr(self._weather, "answers_lost", True))

    def reset(self) -> None:
        """Break off every connection."""
        self._call(self._reset)

    def heal(self) -> None:
        """Be a plain proxy again; connections that lost bytes are broken off."""
        self._call(self._heal)

    def lead_to(self, target: Address) -> None:
        """Lead new connections elsewhere, and break off the present ones."""
        self._target = target
        self._call(self._reset)

    def _call(self, action: Callable[[], T]) -> T:
        async def act() -> T:
            done = action()
            self._changed.set()
            self._changed = asyncio.Event()
            return done

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(_STOP_S)

    def _reset(self) -> None:
        for pair in self._pairs:
            pair.abort()

    def _heal(self) -> None:
        self._weather = Weather()
        for pair in self._pairs:
            if pair.torn:
                pair.abort()

    # -- the traffic, in the proxy's loop

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _break_off(writer)
            return
        task = asyncio.current_task()
        if task is not None:
            self._accepted.add(task)
            task.add_done_callback(self._accepted.discard)
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        tasks = [
            asyncio.create_task(self._pump(pair, reader, far_writer, answers=False)),
            asyncio.create_task(self._pump(pair, far_reader, writer, answers=True)),
        ]
        self._tasks.update(tasks)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        pair.abort()
        await asyncio.wait(tasks)
        self._tasks.difference_update(tasks)
        self._pairs.discard(pair)

    async def _pump(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._weather.delay:
                    await asyncio.sleep(self._weather.delay)
                while self._weather.held:
                    await self._changed.wait()
                if answers and self._weather.answers_lost:
                    pair.torn = True
                    continue
                writer.write(data)
                await writer.drain()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        self._weather = Weather()
        self._changed.set()
        self._reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*self._accepted, return_exceptions=True)
