"""Output and page are compared line by line, by their shape."""

from __future__ import annotations

import pytest

from tests.docs.shapes import missed

PRINTED = 'lag 7\n  {"id":"7ede2f2b256b4ab2bfc0c12e721871d7","at":"2026-11-25T02:21:45.207Z","n":12}  \nended   well\n'


@pytest.mark.parametrize(
    "shows",
    ["lag 900", '{"id":"00000000000000000000000000000000","at":"2027-01-01T00:00:00Z","n":1}', "lag 1\n\nended well",
     '{"id":…,"n":3}', "…\nended well", "", "lag 1\n…"],
)  # fmt: skip
def test_a_run_like_the_shown_one_misses_nothing(shows: str) -> None:
    """Other numbers, times, ids and spaces; lines between; and `…` for anything."""
    assert missed(shows, PRINTED) == ""


@pytest.mark.parametrize("shows", ["lag", "lag seven", '{"n":12}', "ended", "lag 7…no"])
def test_another_run_misses_a_line(shows: str) -> None:
    """A part of a line is not the line."""
    assert missed(shows, PRINTED) == shows


def test_the_order_counts() -> None:
    """What is shown second must be printed after the first."""
    assert missed("ended well\nlag 7", PRINTED) == "lag 7"
