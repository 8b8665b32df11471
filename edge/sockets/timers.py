"""Timers of very many connections without a task or timer for each: they advance in ticks."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Ring(Generic[T]):
    """Members that each come round once in `period` ticks."""

    def __init__(self, period: int) -> None:
        self._slots: list[set[T]] = [set() for _ in range(period)]
        self._now = 0

    def add(self, member: T, early: int = 0) -> int:
        """Enter a member; its first turn is a period less `early` ticks away. Gives the slot, which `discard` needs."""
        slot = (self._now - early) % len(self._slots)
        self._slots[slot].add(member)
        return slot

    def discard(self, slot: int, member: T) -> None:
        """Take a member out."""
        self._slots[slot].discard(member)

    def advance(self) -> list[T]:
        """One tick on: the members whose turn it is."""
        self._now = (self._now + 1) % len(self._slots)
        return list(self._slots[self._now])


class Deadlines(Generic[T]):
    """Members that must be gone `ticks` after they came."""

    def __init__(self, ticks: int) -> None:
        self._ticks = ticks
        self._due: dict[T, int] = {}  # in the order of their deadlines
        self._now = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, member: T) -> bool:
        return member in self._due

    def members(self) -> list[T]:
        """Who is waiting."""
        return list(self._due)

    def add(self, member: T) -> None:
        """Start a member's time; once only."""
        self._due.setdefault(member, self._now + self._ticks)

    def discard(self, member: T) -> None:
        """The member made it."""
        self._due.pop(member, None)

    def advance(self) -> list[T]:
        """One tick on: the members that are late, taken out."""
        self._now += 1
        late: list[T] = []
        for member, due in self._due.items():
            if due > self._now:
                break
            late.append(member)
        for member in late:
            del self._due[member]
        return late
