"""The cursor: round trips, splicing, and texts that are none."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import cursor as cursors
from edge.cursor import BadCursor, Cursor

LANES = 4
positions = st.integers(0, (1 << 63) - 1)
four = st.tuples(positions, positions, positions, positions)
as_ofs = st.integers(0, (1 << 39) - 1)
ALICE = cursors.fingerprint("alice")


@given(four, as_ofs, st.booleans())
def test_a_cursor_is_read_back_as_it_was_made(places: tuple[int, ...], as_of: int, middle: bool) -> None:
    """Encoding and decoding are inverse, and four lanes take 64 characters."""
    cursor = Cursor(ALICE, as_of, places, middle)
    text = cursors.encode(cursor)
    assert len(text) == 64
    assert cursors.decode(text, LANES) == cursor


@given(four, st.integers(0, 3), positions)
def test_splicing_a_position_is_encoding_the_whole(places: tuple[int, ...], lane: int, position: int) -> None:
    """Twelve characters are replaced, and nothing else changes."""
    spliced = cursors.replace_position(cursors.encode_places(ALICE, places), lane, cursors.encode_position(position))
    moved = [*places]
    moved[lane] = position
    assert spliced == cursors.encode_places(ALICE, moved)


@given(st.text(max_size=300))
def test_any_text_is_a_cursor_or_is_refused(text: str) -> None:
    """No text raises anything but BadCursor."""
    with suppress(BadCursor):
        assert len(cursors.decode(text, LANES).positions) == LANES


@given(st.binary(max_size=120))
def test_any_bytes_are_a_cursor_or_are_refused(raw: bytes) -> None:
    """Nor do bytes in the right alphabet, the right version included."""
    for start in (b"", b"\x01"):
        text = base64.urlsafe_b64encode(start + raw).decode()
        try:
            found = cursors.decode(text, LANES)
        except BadCursor:
            continue
        assert all(0 <= position < 1 << 63 for position in found.positions)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("%%%%", "base64url"),
        ("x" * 1000, "longer"),
        (base64.urlsafe_b64encode(b"\x01" * 47).decode(), "length"),
        (base64.urlsafe_b64encode(b"\x02" + b"\x00" * 47).decode(), "version 2"),
        (base64.urlsafe_b64encode(b"\x01" + b"\xff" * 47).decode(), "out of range"),
        (cursors.encode(Cursor(ALICE, 0, (1,) * LANES))[:-4], "length"),
        ("\u00e9" * 64, "base64url"),
    ],
)
def test_a_malformed_cursor_says_why(text: str, why: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(BadCursor, match=why):
        cursors.decode(text, LANES)


def test_lanes_that_one_side_does_not_know() -> None:
    """A lane that was appended since starts at 0; one of a newer release is left out."""
    three = cursors.encode(Cursor(ALICE, 7, (1, 2, 3)))
    assert cursors.decode(three, LANES).positions == (1, 2, 3, 0)
    five = cursors.encode(Cursor(ALICE, 7, (1, 2, 3, 4, 5)))
    assert cursors.decode(five, LANES).positions == (1, 2, 3, 4)


def test_a_cursor_of_another_account_is_a_fresh_start() -> None:
    """So is no cursor; the account's own is taken."""
    text = cursors.encode(Cursor(ALICE, 7, (1, 2, 3, 4)))
    assert cursors.decode_for(text, "bob", LANES) is None
    assert cursors.decode_for("", "alice", LANES) is None
    assert cursors.decode_for(text, "alice", LANES) == Cursor(ALICE, 7, (1, 2, 3, 4))


def test_a_cursor_is_over_before_a_row_above_it_has_ended() -> None:
    """By its as-of: whatever was on its way for less than an hour then."""
    cursor = Cursor(ALICE, 1_000_000, (0,) * LANES)
    assert not cursor.is_over(1_000_000 + cursors.GOOD_S)
    assert cursor.is_over(1_000_001 + cursors.GOOD_S)
