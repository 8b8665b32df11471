"""Work in slices of time, so that a herd that arrives never keeps the loop from live pushes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

#: Longest time that one turn of the loop gives to queued work, s.
SLICE_S: Final = 0.0005


class Slices:
    """Calls in the order they came, each turn of the loop for one slice. Calls must not raise."""

    def __init__(self) -> None:
        self._queue: deque[Callable[[], None]] = deque()
        self._awake = False

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, call: Callable[[], None]) -> None:
        """Have `call` called soon."""
        self._queue.append(call)
        if not self._awake:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        end = time.perf_counter() + SLICE_S
        try:
            while self._queue and time.perf_counter() < end:
                self._queue.popleft()()
        finally:
            self._awake = bool(self._queue)
            if self._awake:
                asyncio.get_running_loop().call_soon(self._work)
