"""When a partition has so many dead letters that its producer must be broken, and pouring on would hide it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from streams.limits import Limits


class DeadLetterLimits:
    """The recent records of one partition: how many of them, and how many in a row, became dead letters.

    Looked at with each dead letter; the ratio once there are as many records as it is of.
    """

    def __init__(self, limits: Limits) -> None:
        self._window = limits.dead_letter_window
        self._ratio = limits.dead_letter_ratio
        self._consecutive = limits.dead_letter_consecutive
        self._records = 0  # in all
        self._dead: deque[int] = deque()  # numbers of the dead letters among the last `window` records
        self._streak = 0  # dead letters in a row up to the last record

    def take(self, dead: Sequence[int], records: int) -> str | None:
        """Enter a batch of `records`, of which those at the places `dead` (rising) are to become dead letters.

        Which limit it would break, and by which numbers; it is then not entered, so that it breaks it again.
        """
        if not dead and not self._dead:
            self._records += records
            self._streak = 0
            return None
        recent, streak, last = deque(self._dead), self._streak, -1
        for place in dead:
            streak = streak + 1 if place == last + 1 else 1
            last = place
            reason = self._broken(recent, self._records + place, streak)
            if reason is not None:
                return reason
        self._records += records
        self._dead = self._recent(recent)
        self._streak = streak if last == records - 1 else 0
        return None

    def _broken(self, recent: deque[int], number: int, streak: int) -> str | None:
        recent.append(number)
        while recent[0] <= number - self._window:
            recent.popleft()
        if streak > self._consecutive:
            return f"{streak} dead letters in a row, limit {self._consecutive}"
        if number + 1 >= self._window and len(recent) > self._ratio * self._window:
            return f"{len(recent)} of {self._window} records are dead letters, limit {self._ratio:.0%}"
        return None

    def _recent(self, numbers: deque[int]) -> deque[int]:
        while numbers and numbers[0] < self._records - self._window:
            numbers.popleft()
        return numbers
