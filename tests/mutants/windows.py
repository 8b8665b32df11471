"""Mistakes of the windows in which notifications are merged."""

from __future__ import annotations

import random
from typing import Any

from tests.mutants.registry import mutant, replace

WINDOWS = "tests/models/test_windows.py::test_each_event_is_in_one_notification"


@mutant(WINDOWS)
def windows_by_wall_clock() -> None:
    """A timer of the process ends windows too: at any moment, as the log sees it."""
    from streams.logtime import Windows

    hold = Windows.hold
    timer = random.Random(0)

    def ended(self: Any, item: Any, size: int) -> list[Any]:
        left: list[Any] = hold(self, item, size)
        return left or (self._leave() if timer.random() < 0.15 else [])

    replace(Windows, "hold", ended)


@mutant(WINDOWS)
def late_record_leaves_at_once() -> None:
    """A record whose window is over does not wait for the end of the open one."""
    from streams.logtime import Windows

    hold, pass_time = Windows.hold, Windows.pass_time

    def look(self: Any, offset: int, timestamp: int) -> list[Any]:
        left: list[Any] = pass_time(self, offset, timestamp)
        self.late = timestamp // self._length < self.clock // self._length
        return left

    def let_go(self: Any, item: Any, size: int) -> list[Any]:
        return [item] if self.late else hold(self, item, size)

    replace(Windows, "pass_time", look)
    replace(Windows, "hold", let_go)
