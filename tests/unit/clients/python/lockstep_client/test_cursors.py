"""Cursors: kept in a file of one device, or as long as the process lives."""

from __future__ import annotations

from pathlib import Path

import pytest
from lockstep_client import BadFile, CursorFile, Cursors


def test_a_file_keeps_the_cursor_of_one_device(tmp_path: Path) -> None:
    """It is read back by the same device only, and nothing else is left in the directory."""
    path = tmp_path / "state"
    cursors = CursorFile(path, "tv")
    assert cursors.load() == ""
    cursors.save("one")
    cursors.save("two")
    assert (cursors.load(), CursorFile(path, "tv").load()) == ("two", "two")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(BadFile, match="the cursor of device 'tv'"):
        CursorFile(path, "phone")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"device": "tv"}', "\xff"])
def test_a_file_of_somebody_else_is_refused(tmp_path: Path, text: str) -> None:
    """It is named, and left as it is."""
    path = tmp_path / "state"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadFile, match=r"state: not written by lockstep: "):
        CursorFile(path, "tv")
    assert path.read_text(encoding="latin-1") == text


def test_without_a_file_a_cursor_lives_as_long_as_the_process() -> None:
    """What was given first stands until another is saved."""
    cursors = Cursors("given")
    assert cursors.load() == "given"
    cursors.save("newer")
    assert cursors.load() == "newer"
    assert Cursors().load() == ""
