"""What tells a session marker from a record that carries something."""

from __future__ import annotations

import pytest

from streams.marker import HEADERS, NAME, is_marker, without_markers
from tests.unit.fakes import FakeRecord

MARKER = FakeRecord(0, None, None, HEADERS)


@pytest.mark.parametrize(
    "record",
    [
        FakeRecord(0, b"k", b"v"),
        FakeRecord(0, b"k", None),
        FakeRecord(0, b"k", None, [("lockstep-tick", b"1")]),
        FakeRecord(0, b"k", b"", HEADERS),
    ],
)
def test_only_an_empty_record_with_the_header_is_a_marker(record: FakeRecord) -> None:
    """Neither a value with the header, nor nothing without it."""
    assert not is_marker(record)
    assert without_markers([record]) == [record]


def test_markers_are_left_out() -> None:
    """The rest stays in order."""
    first, second = FakeRecord(1, b"k", b"1"), FakeRecord(3, b"k", None)
    other = FakeRecord(4, None, None, [("trace", b""), (NAME, b"of another release")])
    assert without_markers([MARKER, first, MARKER, second, other]) == [first, second]
    assert without_markers([MARKER]) == []
