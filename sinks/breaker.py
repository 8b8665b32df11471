"""A circuit breaker: a provider that fails again and again is left alone for a while, then tried with one request."""

from __future__ import annotations

from typing import Final

#: So many failures in a row open it, for so long at first and at most, s.
FAILURES: Final = 5
FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0


class Breaker:
    """Counts answers of one provider. Times are in s, of any clock that only rises."""

    def __init__(self) -> None:
        self.opened = 0  # times that it opened
        self._failures = 0
        self._open_s = FIRST_S
        self._until = 0.0  # nothing is sent before
        self._open = False
        self._probing = False

    def shut(self, now: float) -> float:
        """For how long nothing may be sent, s; to ask changes nothing."""
        return max(0.0, self._until - now)

    def wait(self, now: float) -> float:
        """How long to wait with a request, s; 0: send it. Once the time is over one request is let through."""
        if now < self._until:
            return self._until - now
        if self._open:  # the others wait for its answer, or for as long again
            self._probing = True
            self._until = now + self._open_s
        return 0.0

    def succeeded(self) -> None:
        """The provider answered as one that works."""
        self._failures = 0
        self._open_s = FIRST_S
        if self._open:
            self._open = self._probing = False
            self._until = 0.0

    def failed(self, now: float) -> None:
        """The provider did not answer, or said that it cannot."""
        self._failures += 1
        if self._open:
            if not self._probing:  # sent before it opened
                return
            self._open_s = min(2 * self._open_s, LONGEST_S)
        elif self._failures < FAILURES:
            return
        else:
            self.opened += 1
        self._open, self._probing = True, False
        self._until = now + self._open_s

    def pause(self, now: float, seconds: float) -> None:
        """The provider asked for a pause; it works."""
        self._until = max(self._until, now + seconds)
