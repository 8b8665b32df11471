"""Work that several bring, done some at a time: who brings it gets turns, however much the others have brought."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Lot(Generic[T]):
    """What one has brought: the items that nobody works on yet, and who works on the others."""

    def __init__(self, items: Iterable[T], work: Callable[[T], Awaitable[object]]) -> None:
        self.items = deque(items)
        self.left = len(self.items)
        self.work = work
        self.workers: set[asyncio.Task[None]] = set()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ended(self) -> None:
        """The work on one more item is over."""
        self.left -= 1
        if not self.left and not self.over.done():
            self.over.set_result(None)


class Turns:
    """Does work in `at_once` tasks at most, on one item of each lot in turn."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._lots: deque[_Lot[Any]] = deque()  # those with items that nobody works on yet
        self._workers: set[asyncio.Task[None]] = set()

    async def run(self, items: Iterable[T], work: Callable[[T], Awaitable[object]]) -> None:
        """Return when the work on all items is over; `work` raises nothing. If this is cancelled, so is the work."""
        lot = _Lot(items, work)
        if not lot.left:
            return
        self._lots.append(lot)
        self._hire()
        try:
            await lot.over
        except asyncio.CancelledError:
            lot.items.clear()
            for worker in lot.workers:
                worker.cancel()
            raise

    def _hire(self) -> None:
        """As many tasks as there is work for: those that are there have some."""
        waiting = sum(len(lot.items) for lot in self._lots)
        for _ in range(min(self._at_once - len(self._workers), waiting)):
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._left)

    def _left(self, worker: asyncio.Task[None]) -> None:
        """Where a worker was cancelled another one takes its place."""
        self._workers.discard(worker)
        self._hire()

    async def _work(self) -> None:
        worker = asyncio.current_task()
        if worker is None:
            raise RuntimeError("not in a task")
        while self._lots:
            lot = self._lots.popleft()
            if not lot.items:  # given up
                continue
            item = lot.items.popleft()
            if lot.items:
                self._lots.append(lot)
            lot.workers.add(worker)
            try:
                await lot.work(item)
            finally:
                lot.workers.discard(worker)
                lot.ended()
