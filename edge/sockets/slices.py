"""Work in slices of time, so that a herd that arrives never keeps the loop from live pushes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

#: Longest time that one turn of the loop gives to queued work, s.
SLICE_S: Final = 0.0005
log = logging.getLogger(__name__)


class Slices:
    """Calls in the order they came, each turn of the loop for one slice."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Callable[[], None], Callable[[], None]]] = deque()
        self._awake = False

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, call: Callable[[], None], failed: Callable[[], None]) -> None:
        """Have `call` called soon; `failed` too where it raises, which is a defect: nobody else would hear of it."""
        self._queue.append((call, failed))
        if not self._awake:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        end = time.perf_counter() + SLICE_S
        while self._queue and time.perf_counter() < end:
            call, failed = self._queue.popleft()
            try:
                call()
            except Exception:
                log.exception("a connection is given up")
                failed()
        self._awake = bool(self._queue)
        if self._awake:
            asyncio.get_running_loop().call_soon(self._work)
