"""Columns of the audit's books: a few bytes for each event, whatever it says."""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

NOWHERE: Final = -1
T = TypeVar("T", bound=Hashable)


class Column(Generic[T]):
    """One of few values for each event: each value is held once, each event has its number."""

    def __init__(self, size: int, empty: T) -> None:
        self._numbers = array("i", [0]) * size
        self._values = [empty]
        self._known = {empty: 0}

    def __getitem__(self, place: int) -> T:
        return self._values[self._numbers[place]]

    def __setitem__(self, place: int, value: T) -> None:
        number = self._known.setdefault(value, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        self._numbers[place] = number


class Devices(Column[tuple[str, ...]]):
    """The devices that something was said of, for each event."""

    def __init__(self, size: int) -> None:
        super().__init__(size, ())

    def add(self, place: int, devices: tuple[str, ...]) -> None:
        """Devices beside those that are known already."""
        before = self[place]
        self[place] = devices if not before else (*before, *(name for name in devices if name not in before))


class Passed:
    """The records of one kind of topic: where the first one of each event lies, in which lane."""

    def __init__(self, size: int) -> None:
        self.at = array("q", [NOWHERE]) * size
        self.lane = bytearray(size)  # one more than the number, 0: none
