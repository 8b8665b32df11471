"""The watermark in commit metadata."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.mark import NOTHING_TAKEN, decode_watermark, encode_watermark


@given(st.integers(min_value=-1, max_value=2**63 - 1))
def test_a_watermark_comes_back(taken: int) -> None:
    """Any seq, and that nothing was taken."""
    assert decode_watermark(encode_watermark(taken)) == taken


@pytest.mark.parametrize("metadata", [None, "", " 1", "1 ", "+1", "-2", "1.5", "0x10", "1_000", "२", "{}", "9" * 30])
def test_foreign_metadata_is_unknown(metadata: str | None) -> None:
    """What is not a plain number starts low, which only repeats."""
    assert decode_watermark(metadata) == NOTHING_TAKEN


@given(st.text())
def test_no_metadata_raises(metadata: str) -> None:
    """Whatever another tool has committed."""
    assert NOTHING_TAKEN <= decode_watermark(metadata) < 2**63
