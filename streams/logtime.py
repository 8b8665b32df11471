"""Log time: time passes for a stage only as the records of a partition say, and windows of it hold items together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Generic, NamedTuple, TypeVar

#: A clock that no record has set yet.
UNKNOWN: Final = -1
FOREVER: Final = 2**63
T = TypeVar("T")


class Progress(NamedTuple):
    """How far a stage is finished with a partition: `offset` is the next one that a restart must read, `taken` the
    highest position among the records below it, `clock` (ms) their latest append time."""

    offset: int
    taken: int
    clock: int


def latest(clock: int, timestamps: Iterable[int]) -> int:
    """A partition's clock after more records: the running maximum of their append times, ms.

    Append times may go back a little when another broker takes over a partition; its clock does not.
    """
    return max(clock, max(timestamps, default=clock))


class Windows(Generic[T]):
    """The tumbling windows [k * length, (k + 1) * length) of one partition's log time, in ms.

    What is held, when it leaves, and where a restart begins follow from the records alone: a restart at `progress`
    meets the same windows. A record whose append time lies before the open window joins it. Once a window holds `most`
    items, or `size` bytes of them, these leave and the rest of it begins with nothing, so that memory is bounded.
    """

    def __init__(self, length: int, start: Progress, *, most: int = 10_000, size: int = 8 << 20) -> None:
        """`start`: where the first record lies, and what is known of those before it. Length 0: no time ends one."""
        self._length = length or FOREVER
        self._most = most
        self._size = size
        self._start = start  # where a restart begins while something is held
        self._held: list[T] = []
        self._bytes = 0
        self._number = 0  # k, while something is held
        self.clock = start.clock
        self.taken = start.taken
        self._next = start.offset

    def __len__(self) -> int:
        return len(self._held)

    def pass_time(self, offset: int, timestamp: int) -> list[T]:
        """Meet the next record, whatever it holds; what leaves before it because its window has ended."""
        before = self.clock
        self.clock = max(before, timestamp)
        left = self._leave() if self._held and self.clock // self._length > self._number else []
        if not self._held:
            self._start = Progress(offset, self.taken, before)
            self._number = self.clock // self._length
        self._next = offset + 1
        return left

    def take(self, position: int) -> bool:
        """Whether the record just met is new; False for a copy made by an upstream replay."""
        if position <= self.taken:
            return False
        self.taken = position
        return True

    def hold(self, item: T, size: int) -> list[T]:
        """Hold an item made of the record just met, of so many bytes; what leaves because the window is full."""
        self._held.append(item)
        self._bytes += size
        return self._leave() if len(self._held) >= self._most or self._bytes >= self._size else []

    def remaining(self) -> int | None:
        """Log time until the open window ends, ms; None while nothing is held."""
        return (self._number + 1) * self._length - self.clock if self._held else None

    def progress(self) -> Progress:
        """How far everything has left: up to the first record that is held, else up to the last one met."""
        return self._start if self._held else Progress(self._next, self.taken, self.clock)

    def _leave(self) -> list[T]:
        held, self._held, self._bytes = self._held, [], 0
        return held
