"""Histograms count each value once, at the edge too."""

from __future__ import annotations

from streams.histogram import Histogram


def test_a_value_at_an_edge_is_within_its_bucket() -> None:
    """As Prometheus means `le`."""
    made = Histogram((0.1, 1.0))
    for value, times in ((0.1, 1), (0.5, 2), (1.0, 1), (7.0, 1)):
        made.observe(value, times)
    assert made.buckets() == [("0.1", 1.0), ("1.0", 4.0), ("+Inf", 5.0)]
    assert made.sum == 0.1 + 1.0 + 1.0 + 7.0
