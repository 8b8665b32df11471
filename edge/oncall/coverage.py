"""Which positions devices have said they have: ranges folded as they come, of each position its first word."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from typing import Final

_FIELDS: Final = 3  # since, to, at


class Coverage:
    """The ranges (since, to] of every device and lane of a partition, told in order of time."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, str, int], array[int]] = {}

    def add(self, account: str, device: str, lane: int, since: int, to: int, at: int) -> None:
        """A device has a lane's notifications in (since, to]; said at `at`, ms, no earlier than what came before."""
        key = account, device, lane
        spans = self._spans.get(key)
        if spans is None:
            spans = self._spans[sys.intern(account), sys.intern(device), lane] = array("q")
        if not spans or since >= spans[-2]:
            spans.extend((since, to, at))
            return
        low = _first(spans, since + 1)
        high, cursor, joined = low, since, array("q")
        while high * _FIELDS < len(spans) and spans[high * _FIELDS] < to:
            begin, end, when = spans[high * _FIELDS : (high + 1) * _FIELDS]
            if cursor < begin:
                joined.extend((cursor, begin, at))
            joined.extend((begin, end, when))
            cursor, high = end, high + 1
        if cursor < to:
            joined.extend((cursor, to, at))
        spans[low * _FIELDS : high * _FIELDS] = joined

    def when(self, account: str, device: str, lane: int, seq: int) -> int | None:
        """When the device first said that it has this position, ms; None where it never did."""
        spans = self._spans.get((account, device, lane))
        if spans is None:
            return None
        place = _first(spans, seq) * _FIELDS
        return spans[place + 2] if place < len(spans) and spans[place] < seq else None


def _first(spans: array[int], seq: int) -> int:
    """The first span that ends at or above a position."""
    return bisect_left(range(len(spans) // _FIELDS), seq, key=lambda place: spans[place * _FIELDS + 1])
