"""Outcomes: closed kinds and reasons, and their packed form."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.outcomes import (
    DEVICE_LEVEL,
    EVENT_LEVEL,
    KINDS,
    REASONS,
    TERMINAL,
    VERSION,
    Kind,
    Outcome,
    OutcomeBatch,
    Reason,
    decode_outcomes,
    encode_outcomes,
)  # fmt: skip

TEXT = st.text(max_size=10)
NUMBERS = st.integers(-1, 2**63 - 1)
OUTCOMES = st.builds(
    Outcome, st.sampled_from(KINDS), TEXT, NUMBERS, st.lists(TEXT, max_size=3).map(tuple), TEXT, NUMBERS, NUMBERS
)


def test_levels_part_the_terminal_kinds() -> None:
    """A terminal kind is of the event or of a device, never both; three kinds are on the way."""
    assert not EVENT_LEVEL & DEVICE_LEVEL
    assert set(KINDS) - TERMINAL == {"stored", "pushed", "undeliverable"}
    assert set(KINDS) == set(get_args(Kind))
    assert set(REASONS) == set(get_args(Reason))


@given(TEXT, st.integers(0, 2**62), st.lists(OUTCOMES, max_size=4))
def test_a_batch_comes_back(stage: str, at: int, outcomes: list[Outcome]) -> None:
    """What a stage reports is what a reader gets."""
    assert decode_outcomes(encode_outcomes(stage, at, outcomes)) == OutcomeBatch(VERSION, stage, at, tuple(outcomes))


def test_the_release_before_and_after_are_readable() -> None:
    """An outcome with fewer fields takes defaults; fields behind the known ones are passed over."""
    older = msgspec.msgpack.encode([0, "store", 5, [["stored", "a", 7]]])
    assert decode_outcomes(older) == OutcomeBatch(0, "store", 5, (Outcome("stored", "a", 7),))
    newer = msgspec.msgpack.encode([2, "store", 5, [["pulled", "a", 7, ["d"], "why", 3, 1, "new"]], {"new": 1}])
    assert decode_outcomes(newer).outcomes == (Outcome("pulled", "a", 7, ("d",), "why", 3, 1),)


@pytest.mark.parametrize(
    "value", [b"", b"\xc1", b"\x93\x01\xa1s\x05", msgspec.msgpack.encode([1, "s", 5, [["x", "a", 1]]])]
)
def test_what_is_no_batch_is_refused(value: bytes) -> None:
    """Empty, broken and short values, and kinds that do not exist, raise the error readers expect."""
    with pytest.raises(msgspec.DecodeError):
        decode_outcomes(value)
