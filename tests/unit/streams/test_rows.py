"""Rows of a changelog: what is written is read, and what is damaged is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.rows import HEADER_BYTES, LATEST, SEEN, BadRow, RowKey, decode_key, decode_row, encode_row

u32, u64, i63 = st.integers(0, 2**32 - 1), st.integers(1, 2**64 - 1), st.integers(-(2**63), 2**63 - 1)
seen_entries = st.lists(st.tuples(u64, u32, u32, st.integers(0, 2**16 - 1), u32), max_size=20)
ROW = encode_row(SEEN, 1_700_000_000_000, SEEN.pack(1, 2, 3, 4, 5) + SEEN.pack(6, 7, 8, 9, 10))


@given(seen_entries, st.integers(0, 2**62))
def test_a_row_of_seen_is_read_as_written(entries: list[tuple[int, int, int, int, int]], until: int) -> None:
    """Packing one by one and reading as an array agree on every field."""
    value = encode_row(SEEN, until, b"".join(SEEN.pack(*entry) for entry in entries))
    read_until, read = decode_row(SEEN, value)
    assert (read_until, [(key, *cell) for key, cell in read.tolist()]) == (until, entries)
    assert len(value) == HEADER_BYTES + 22 * len(entries)


@given(st.lists(st.tuples(u64, u32, i63, i63), max_size=20))
def test_a_row_of_latest_is_read_as_written(entries: list[tuple[int, int, int, int]]) -> None:
    """The same for the other table."""
    value = encode_row(LATEST, 0, b"".join(LATEST.pack(*entry) for entry in entries))
    assert [(key, *cell) for key, cell in decode_row(LATEST, value)[1].tolist()] == entries


@given(st.tuples(*[st.integers(0, 2**62)] * 4))
def test_a_key_is_read_as_written(parts: tuple[int, int, int, int]) -> None:
    """Keys of rows are text, and come back as they were."""
    assert decode_key(RowKey(*parts).encode()) == RowKey(*parts)


@pytest.mark.parametrize(
    "key", [None, b"", b"1/2/3", b"1/2/3/4/5", b"1/2/x/4", b"1//3/4", b"-1/2/3/4", "1/²/3/4".encode()]
)
def test_another_key_is_refused(key: bytes | None) -> None:
    """Foreign records do not pass for rows."""
    with pytest.raises(BadRow):
        decode_key(key)


@pytest.mark.parametrize("cut", range(len(ROW)))
def test_a_row_cut_anywhere_is_refused(cut: int) -> None:
    """Torn rows are found."""
    with pytest.raises(BadRow):
        decode_row(SEEN, ROW[:cut])


@given(st.integers(0, len(ROW) - 1), st.integers(1, 255))
@example(len(ROW) - 1, 1)
def test_a_row_with_one_wrong_byte_is_refused(at: int, flip: int) -> None:
    """Whichever byte it is, header included."""
    damaged = bytearray(ROW)
    damaged[at] ^= flip
    with pytest.raises(BadRow):
        decode_row(SEEN, bytes(damaged))


def test_a_longer_row_and_one_of_the_other_table_are_refused() -> None:
    """The message says what was found."""
    with pytest.raises(BadRow, match="torn"):
        decode_row(SEEN, ROW + b"x")
    with pytest.raises(BadRow, match="kind 115"):
        decode_row(LATEST, ROW)
    with pytest.raises(BadRow, match="no header"):
        decode_row(SEEN, b"")
