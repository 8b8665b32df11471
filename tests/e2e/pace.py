"""An open-loop pace: event n is due at n / rate, whatever became of those before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Waits until an event is due, and runs actions at set numbers of events (a kill in the middle of the load)."""

    def __init__(self, rate: float, actions: dict[int, Callable[[], object]] | None = None) -> None:
        self._rate = rate
        self._actions = dict(actions or {})
        self._start: float | None = None
        self._idle = threading.Event()

    def wait(self, number: int) -> None:
        """Return when event `number` (from 0) is due."""
        if self._start is None:
            self._start = time.monotonic()
        action = self._actions.pop(number, None)
        if action is not None:
            action()
        ahead = self._start + number / self._rate - time.monotonic()
        if ahead > 0.002:
            self._idle.wait(ahead)
