"""Token buckets: how many of something may come a second, with bursts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


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


class Rates:
    """A bucket for each of many; those that have not asked for longest are forgotten."""

    def __init__(self, rate: float, burst: float, most: int) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, now: float) -> float:
        """0 where one is taken; else how long to wait, s."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate, self._burst, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(1, now)
