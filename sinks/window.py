"""Batches on their way to their coordinators: few at a time for each, and the next leaves when one is answered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

B = TypeVar("B")  # a batch
G = TypeVar("G")  # its coordinator


class Sent(Generic[G]):
    """A batch on its way. One of its methods is called, once, from any thread."""

    __slots__ = ("_over", "began", "group")

    def __init__(self, group: G, over: Callable[[Sent[G], BaseException | None], None]) -> None:
        self.group = group
        self.began = time.perf_counter()
        self._over = over

    def done(self, *_: object) -> None:
        """It is acked."""
        self._over(self, None)

    def fail(self, error: BaseException, *_: object) -> None:
        """It is not, or nobody knows."""
        self._over(self, error)


class Window(Generic[G, B]):
    """The batches of a wave, of which at most `most` are on their way to each coordinator.

    What is next leaves from the thread that brings an answer: the loop has one wake-up for all of a wave.
    """

    def __init__(
        self, wave: Iterable[tuple[G, B]], most: int, send: Callable[[B, Sent[G]], None], took: list[float]
    ) -> None:
        """`send` hands a batch to the client; it must not block. `took` gets the time of each that is answered, s."""
        self._took = took
        self._most = most
        self._send = send
        self._waiting: dict[G, deque[B]] = {}
        for group, batch in wave:
            self._waiting.setdefault(group, deque()).append(batch)
        self._left = sum(map(len, self._waiting.values()))
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()

    async def acked(self, patience: float) -> None:
        """Send all, in order for each coordinator, and return when all are acked.

        After a batch that fails no other leaves; what it failed with is raised when those on their way are answered, so
        that who tries again does not add to them. Raises TimeoutError where none was answered for `patience` seconds.
        """
        try:
            for group in [group for group in self._waiting for _ in range(self._most)]:
                self._next(group)
            await self._end(patience)
        finally:
            with self._lock:
                self._keep_back()
        if self._error is not None:
            raise self._error

    async def _end(self, patience: float) -> None:
        answered = -1
        while self._left:
            if answered == (answered := len(self._took)):
                raise TimeoutError
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._ended.wait()

    def _next(self, group: G) -> None:
        with self._lock:
            waiting = self._waiting.get(group)
            batch = waiting.popleft() if waiting else None
        if batch is not None:
            self._send(batch, Sent(group, self._over))

    def _keep_back(self) -> None:
        """What has not left yet does not leave any more."""
        self._left -= sum(map(len, self._waiting.values()))
        self._waiting.clear()

    def _over(self, sent: Sent[G], error: BaseException | None) -> None:
        with self._lock:
            self._took.append(time.perf_counter() - sent.began)
            self._left -= 1
            if error is not None:
                self._error = self._error or error
                self._keep_back()
            ended = not self._left
        self._next(sent.group)
        if ended:
            with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                self._loop.call_soon_threadsafe(self._ended.set)
