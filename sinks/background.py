"""Tasks beside the handlers of a worker: they end with it, and it fails with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from streams.settings import Settings


class Tasks:
    """Starts tasks; what one raises goes to the `fail` it was started with."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], fail: Callable[[BaseException], None]) -> None:
        """Run `work` beside everything else."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(lambda done: self._ended(done, fail))

    def _ended(self, task: asyncio.Task[None], fail: Callable[[BaseException], None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            fail(error)

    async def stop(self) -> None:
        """Cancel all that still runs, and wait for it."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def connect_tasks(_: Settings) -> AsyncIterator[Tasks]:
    """Tasks that are cancelled when the worker stops."""
    tasks = Tasks()
    try:
        yield tasks
    finally:
        await tasks.stop()
