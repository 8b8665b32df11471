"""Results that are kept, and whether the pictures are drawn from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import kept
from bench.kept import RESULTS, ROOT, digest

PLOTS = ROOT / "bench" / "plots.py"
PICTURES = {path.stem.removeprefix("bench-"): path for path in (ROOT / "docs" / "images").glob("bench-*.png")}


def test_the_last_line_holds_the_figures() -> None:
    """Whatever came before it."""
    assert kept.last_line('warming up\n{"a": 1}\n{"events": 2, "wrong": 0}\n') == {"events": 2, "wrong": 0}


@pytest.mark.parametrize("output", ["", "killed", '{"wrong": 0}\nkilled', "[1]"])
def test_an_output_without_figures_is_refused(output: str) -> None:
    """It ended before its end."""
    with pytest.raises(ValueError, match=r"JSON|Expecting"):
        kept.last_line(output)


def test_a_benchmark_that_failed_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that went well is kept with its day and machine."""
    (tmp_path / "Makefile").write_text(
        'bench-good:\n\t@echo \'{"x": 1, "wrong": 0}\'\nbench-bad:\n\t@echo \'{"x": 1, "wrong": 2}\'; exit 1\n'
    )
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    monkeypatch.setattr(kept, "RESULTS", tmp_path / "results")
    assert kept.main(["bad", "good"]) == 1
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["good.json"]
    found = json.loads((tmp_path / "results" / "good.json").read_text())
    assert found["figures"] == {"x": 1, "wrong": 0}
    assert found.keys() == {"day", "processor", "cores", "figures"}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_a_picture_is_drawn_from_the_results_that_are_there(name: str) -> None:
    """`make bench-plots` draws it anew."""
    data = PICTURES[name].read_bytes()
    text = data.partition(b"tEXtSource\0")[2]
    assert text[:64].decode() == digest([PLOTS, RESULTS / f"{name}.json"])
