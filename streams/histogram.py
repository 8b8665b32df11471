"""A histogram of plain numbers: buckets that count, and a sum."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Counts values by buckets; `edges` are their upper ends, ascending, each within its bucket."""

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = tuple(edges)
        self.counts = [0] * (len(self.edges) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value so many times."""
        self.counts[bisect_left(self.edges, value)] += times
        self.sum += value * times

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus shows them: each upper end with the number of values up to it."""
        ends = [*map(repr, map(float, self.edges)), "+Inf"]
        return [(end, float(count)) for end, count in zip(ends, accumulate(self.counts), strict=True)]
