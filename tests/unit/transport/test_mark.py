"""The watermark and the clock in commit metadata."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.mark import NOTHING_TAKEN, Mark, decode_metadata, encode_metadata

NUMBERS = st.integers(min_value=-1, max_value=2**63 - 1)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_mark_comes_back(offset: int, taken: int, clock: int) -> None:
    """Any seq and any time, and that nothing was taken, or no time is known."""
    mark = Mark(offset, taken, clock)
    assert decode_metadata(offset, encode_metadata(mark)) == mark


@given(NUMBERS)
def test_a_watermark_alone_is_readable(taken: int) -> None:
    """As releases wrote it that knew no log time."""
    assert decode_metadata(5, str(taken)) == Mark(5, taken)


@pytest.mark.parametrize(
    "metadata",
    [None, "", " 1", "1 ", "+1", "-2", "1.5", "0x10", "1_000", "२", "{}", "9" * 30, "1 x", "1 2 3", "1  2", "x 1",
     "1 -2", "1 " + "9" * 30],
)  # fmt: skip
def test_foreign_metadata_is_unknown(metadata: str | None) -> None:
    """What is not one or two plain numbers starts low, which only repeats."""
    assert decode_metadata(3, metadata) == Mark(3, NOTHING_TAKEN)


@given(st.text())
def test_no_metadata_raises(metadata: str) -> None:
    """Whatever another tool has committed."""
    assert NOTHING_TAKEN <= decode_metadata(0, metadata).taken < 2**63
