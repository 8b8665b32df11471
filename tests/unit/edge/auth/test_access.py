"""Numbers in queries: within their bounds, however they are written."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from edge.auth.access import number
from edge.problems import Problem


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("25", 25), ("0000000000025", 25), ("30", 30)])
def test_a_number_within_its_bounds_is_taken(text: str, value: int) -> None:
    """Zeros before it say nothing."""
    assert number(make_mocked_request("GET", f"/?wait={text}"), "wait", 7, 30, least=0) == value


def test_a_number_that_is_not_said_is_the_default() -> None:
    """Whatever the bounds."""
    assert number(make_mocked_request("GET", "/"), "wait", 7, 5) == 7


@pytest.mark.parametrize("text", ["", "-1", "31", "x", "1.5", "٣", "0000000009999999999", "9" * 5000, "0" * 5000 + "1"])
def test_any_other_is_refused(text: str) -> None:
    """Also one that is above its bound behind many zeros, and one that is too long to be read."""
    with pytest.raises(Problem) as refused:
        number(make_mocked_request("GET", f"/?wait={text}"), "wait", 7, 30, least=0)
    assert (refused.value.status, refused.value.name) == (400, "bad-wait")
