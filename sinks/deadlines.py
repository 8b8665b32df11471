"""An end for requests that take too long: one timer for all of them, since each of its own costs more than the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlines:
    """Ends what takes longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[asyncio.Task[Any], float] = {}  # of those that run; all have the same time: the first is next
        self._late: set[asyncio.Task[Any]] = set()  # those that were cancelled here
        self._awake = False

    async def within(self, request: Awaitable[T]) -> T:
        """What the request returns; one request of a task at a time. Raises TimeoutError."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("not in a task")
        cancelled = task.cancelling()
        self._ends[task] = loop.time() + self._seconds
        if not self._awake:
            self._awake = True
            loop.call_later(self._seconds, self._look, loop)
        try:
            return await request
        except asyncio.CancelledError:
            if task in self._late and task.cancelling() <= cancelled + 1:  # else somebody else cancelled it too
                raise TimeoutError from None
            raise
        finally:
            del self._ends[task]
            if task in self._late:
                self._late.discard(task)
                task.uncancel()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel those whose time is over, and come again for the next."""
        now = loop.time()
        for task, end in self._ends.items():
            if end > now:
                loop.call_at(end, self._look, loop)
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()
        self._awake = False
