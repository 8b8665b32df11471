"""Token buckets: how many of something may come a second, with bursts."""

from __future__ import annotations

from collections.abc import Hashable

from edge.remembered import Remembered


class Bucket:
    """Fills with `rate` tokens a second up to `burst`. Whoever finds a token may take more than there are: what is
    owed holds up the next one, so that any number passes in the end, and the rate holds all the same."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, number: int, now: float) -> float:
        """0 where `number` are taken; else how long to wait before the next try, s. `now` is any steady time, s."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens < min(1, self._burst):
            return (min(1, self._burst) - self._tokens) / self._rate
        self._tokens -= number
        return 0.0


class Pace:
    """A bucket for each of very many, whose whole state is one number that they keep: when it will be full, s."""

    __slots__ = ("_most", "_step")

    def __init__(self, rate: float, burst: float) -> None:
        self._step = 1 / rate
        self._most = burst / rate

    def take(self, full: float, now: float) -> float | None:
        """The state after one was taken; None where there is none. A state that is past, as 0 is, is a full bucket."""
        owed = max(full, now) + self._step
        return owed if owed - now <= self._most else None

    def wait(self, full: float, now: float) -> float:
        """How long until one can be taken again, s."""
        return max(0.0, full + self._step - self._most - now)


class Rates:
    """A bucket for each of many; those that have not asked for long are forgotten."""

    def __init__(self, rate: float, burst: float, most: int) -> None:
        """`most`: buckets that are remembered at least, of those that asked last."""
        self._pace = Pace(rate, burst)
        self._full: Remembered[Hashable, float] = Remembered(most)

    def __len__(self) -> int:
        return len(self._full)

    def take(self, key: Hashable, now: float) -> float:
        """0 where one is taken; else how long to wait, s."""
        full = self._full.get(key) or 0.0
        after = self._pace.take(full, now)
        if after is None:
            return self._pace.wait(full, now)
        self._full.put(key, after)
        return 0.0
