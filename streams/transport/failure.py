"""Failures that stop a process: nothing is committed after the first one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class DeliveryFailed(Exception):
    """A record that a stage put did not reach the broker, or may not have."""


class OversizedRecord(Exception):
    """A record is larger than `message.max.bytes`; it was refused here and nothing else is disturbed."""


class Failure:
    """The first failure of this process, kept for good."""

    def __init__(self) -> None:
        self.cause: BaseException | None = None
        self._listeners: list[Callable[[BaseException], None]] = []
        self._lock = threading.Lock()

    def listen(self, listener: Callable[[BaseException], None]) -> None:
        """Call `listener` with the first failure, on whichever thread it happens; at once if it has happened."""
        with self._lock:
            cause = self.cause
            if cause is None:
                self._listeners.append(listener)
        if cause is not None:
            listener(cause)

    def fail(self, cause: BaseException) -> None:
        """Note a failure. From any thread; all but the first are ignored."""
        with self._lock:
            if self.cause is not None:
                return
            self.cause = cause
        log.critical("Failed, nothing more is committed: %r", cause, exc_info=cause)
        for listener in self._listeners:  # to which none is added any more
            listener(cause)
