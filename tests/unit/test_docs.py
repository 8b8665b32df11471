"""What the pages name is there: files, headings, targets of make, commands, reasons and close codes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from edge.cli import main
from edge.sockets import messages
from edge.sockets.messages import Closing
from streams.outcomes import REASONS
from tests.unit.fakes import ROOT, shipped_topology

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").glob("*/README.md")])
FOLDERS = ("streams", "agents", "sinks", "edge", "clients", "deploy", "tests", "bench", "docs", "examples")


@pytest.fixture(params=PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    """Each page in turn."""
    found: Path = request.param
    return found


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as web sites make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading of it where one is named."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        file = (page.parent / target) if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def test_paths_are_there(page: Path) -> None:
    """Whatever stands in backticks and begins with a folder of ours."""
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_targets_of_make_are_there(page: Path) -> None:
    """In running text and in examples."""
    made = "\n".join((ROOT / name).read_text() for name in ("Makefile", "bench/targets.mk"))
    known = set(re.findall(r"^([a-z0-9-]+):", made, re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make ([a-z0-9-]+)", page.read_text(), re.MULTILINE))
    assert named <= known


def test_commands_are_there(page: Path) -> None:
    """Every `lockstep COMMAND`."""
    named = set(re.findall(r"(?:`|^    )lockstep ([a-z]+)\b", page.read_text(), re.MULTILINE))
    assert named - {"up"} <= set(main.commands)  # the demo's own line: lockstep up in …


def test_the_page_for_producers_has_every_reason() -> None:
    """And no other."""
    text = (ROOT / "docs" / "producers.md").read_text()
    table = text[text.index("| reason |") :].split("\n\n", 1)[0]
    assert re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE) == list(REASONS)


def test_the_page_for_devices_has_every_reason_to_close() -> None:
    """With its code."""
    rows = re.findall(r"^\| (\d{4}) \| (.*?) \|", (ROOT / "docs" / "devices.md").read_text(), re.MULTILINE)
    listed = {(int(code), name) for code, names in rows for name in re.findall(r"`([a-z-]+)`", names)}
    known = {(made.code, made.name) for made in vars(messages).values() if isinstance(made, Closing)}
    assert known <= listed


def test_the_list_of_targets_in_the_readme_is_that_of_make() -> None:
    """`make help` prints it."""
    listed = re.findall(r"^    (make [a-z0-9-]+ {2,}.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    printed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    lines = [line.strip() for line in printed.splitlines()]
    assert [line for line in listed if not re.match(r"make (demo|test) +#", line)] == lines


def test_the_figures_of_the_readme_are_those_of_the_page_that_explains_them() -> None:
    """Each number of its table, also where units stand behind it."""
    text = (ROOT / "README.md").read_text()
    table = re.findall(r"^\| .* \| (.*) \| `make bench-", text, re.MULTILINE)
    figures = [figure for cell in table for figure in re.findall(r"[0-9][0-9.,]*[0-9]", cell)]
    page = (ROOT / "docs" / "performance.md").read_text()
    assert len(figures) > 10
    assert [figure for figure in figures if not re.search(rf"(?<![0-9.,]){re.escape(figure)}(?![0-9])", page)] == []


def test_the_picture_of_the_pipeline_is_on_the_first_pages() -> None:
    """In the README and where the site starts."""
    assert "(docs/pipeline.svg)" in (ROOT / "README.md").read_text()
    assert "(pipeline.svg)" in (ROOT / "docs" / "index.md").read_text()


def test_the_use_cases_of_the_readme_are_the_shipped_ones() -> None:
    """With their lanes and lives."""
    rows = re.findall(r"^\| ([a-zA-Z ]+?)(?: \(.*?\))? \| (\w+) \| (\d+ \w+) \| (\d+ \w+) \|$",
                      (ROOT / "README.md").read_text(), re.MULTILINE)  # fmt: skip
    listed = {
        name.lower().replace(" ", "-"): (lane, *(life.replace(" ", "").replace("min", "m") for life in lives))
        for name, lane, *lives in rows
    }
    shipped = shipped_topology().use_cases.items()
    assert listed == {name: (case.lane, case.max_age, case.ttl) for name, case in shipped}
