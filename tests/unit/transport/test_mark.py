"""The watermark and the clock in commit metadata."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.mark import NOTHING_TAKEN, ForeignOrigin, Mark, decode_metadata, encode_metadata, origin_of

NUMBERS = st.integers(min_value=-1, max_value=2**63 - 1)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_mark_comes_back(offset: int, taken: int, clock: int) -> None:
    """Any seq and any time, and that nothing was taken, or no time is known."""
    mark = Mark(offset, taken, clock)
    assert decode_metadata(offset, encode_metadata(mark)) == mark


@given(NUMBERS, NUMBERS, st.integers(0, 2**15), st.binary(min_size=4, max_size=4))
def test_a_mark_comes_back_with_the_topic_that_it_counts_in(taken: int, clock: int, epoch: int, topic: bytes) -> None:
    """To a process that knows the same topic, and to one that knows none."""
    origin = origin_of(epoch, topic)
    metadata = encode_metadata(Mark(7, taken, clock), origin)
    assert decode_metadata(7, metadata, origin) == decode_metadata(7, metadata) == Mark(7, taken, clock)


def test_a_topic_made_anew_under_the_same_epoch_is_no_continuation() -> None:
    """Its offsets begin again: what is new would lie below the watermark. With a higher epoch all of it lies above."""
    metadata = encode_metadata(Mark(7, 5), origin_of(1, b"old."))
    with pytest.raises(
        ForeignOrigin, match=r"topic 1:6f6c642e \(epoch:id\), the cluster's is 1:6e65772e: .* Raise `epoch`"
    ):
        decode_metadata(7, metadata, origin_of(1, b"new."))
    assert decode_metadata(7, metadata, origin_of(2, b"new.")) == Mark(7, 5)


@given(NUMBERS)
def test_a_watermark_alone_is_readable(taken: int) -> None:
    """As releases wrote it that knew no log time."""
    assert decode_metadata(5, str(taken)) == Mark(5, taken)


@pytest.mark.parametrize(
    "metadata",
    [None, "", " 1", "1 ", "+1", "-2", "1.5", "0x10", "1_000", "२", "{}", "9" * 30, "1 x", "1 2 3", "1  2", "x 1",
     "1 -2", "1 " + "9" * 30, "1 2 1:", "1 2 1:x", "1 2 1:ab 3"],
)  # fmt: skip
def test_foreign_metadata_is_unknown(metadata: str | None) -> None:
    """What has another form starts low, which only repeats."""
    assert decode_metadata(3, metadata) == Mark(3, NOTHING_TAKEN)


@given(st.text())
def test_no_metadata_raises(metadata: str) -> None:
    """Whatever another tool has committed."""
    assert NOTHING_TAKEN <= decode_metadata(0, metadata).taken < 2**63
