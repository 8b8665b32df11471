"""Ticks: an idle partition with an open window gets a record by which time passes in its log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from streams.stage import Life

#: Wall time, s, that a window may be over before a tick says so: records that are under way close it by themselves.
SLACK_S: Final = 0.025
#: After so long without word of a tick, s, another one is written.
AGAIN_S: Final = 5.0


class Timer(Protocol):
    """A call that will be made."""

    def cancel(self) -> None:
        """Do not make it."""


#: Calls a function after so many seconds.
Later = Callable[[float, Callable[[], None]], Timer]


class Ticker:
    """Writes a tick into each partition whose window is over by the wall clock and open in its log.

    A tick decides nothing: it is a record like others, and too many of them do no harm. Nor does one too few before a
    stop: whoever takes over the partition reads the window again, and watches it.
    """

    def __init__(self, write: Callable[[int], None], later: Later | None = None) -> None:
        """`write` puts a tick into a partition, or raises BufferError."""
        self._write = write
        self._later = later or _later
        self._watched: dict[int, _Watch] = {}

    def watch(self, partition: int, life: Life, remaining: int | None, ticked: bool) -> None:
        """After a batch: its window ends in `remaining` ms of log time, None where none is open.

        `ticked`: there was a tick among its records.
        """
        watch = self._watched.get(partition)
        under_way = watch is not None and watch.written and watch.life is life and not ticked
        if remaining is not None and under_way:
            return
        if watch is not None:
            watch.timer.cancel()
            del self._watched[partition]
        if remaining is not None:
            self._start(partition, life, remaining / 1000 + SLACK_S, written=False)

    def _start(self, partition: int, life: Life, delay: float, *, written: bool) -> None:
        timer = self._later(delay, lambda: self._tick(partition, life))
        self._watched[partition] = _Watch(life, timer, written)

    def _tick(self, partition: int, life: Life) -> None:
        if life.over:
            self._watched.pop(partition, None)
            return
        try:
            self._write(partition)
        except BufferError:
            self._start(partition, life, SLACK_S, written=False)
        else:
            self._start(partition, life, AGAIN_S, written=True)


class _Watch:
    """A partition that is watched: `timer` runs, `written` says whether a tick is under way."""

    __slots__ = ("life", "timer", "written")

    def __init__(self, life: Life, timer: Timer, written: bool) -> None:
        self.life = life
        self.timer = timer
        self.written = written


def _later(delay: float, call: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(delay, call)
