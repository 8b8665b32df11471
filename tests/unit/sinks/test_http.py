"""What providers' headers ask for."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from sinks.http import retry_after

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("", 0), ("0", 0), ("7", 7_000), ("3601", HOUR_MS), ("9" * 5_000, HOUR_MS),
        ("-1", 0), ("soon", 0), ("\u0663", 0),
        ("Mon, 01 Jan 0001 00:00:00 -2359", 0), ("Mon, 01 Jan 2001 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", HOUR_MS),
    ],
)  # fmt: skip
def test_a_pause_is_read_whatever_stands_there(text: str, pause: int) -> None:
    """An hour at most; none where there is none to be read. A webhook is anybody's, and may say anything."""
    assert retry_after({"Retry-After": text}) == pause


def test_a_pause_may_be_a_moment() -> None:
    """As HTTP writes it."""
    assert 50_000 < retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) <= 60_000
