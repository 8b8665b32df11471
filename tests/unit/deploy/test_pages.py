"""The generated pages hold all that the code has: problems, decisions, commands, stages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cli_page import cli_page
from deploy.decisions_page import Malformed, decisions_page
from deploy.metrics_page import metrics_page
from deploy.picture import picture, stages
from deploy.problems_page import problems_page
from edge.cli import main
from tests.unit.fakes import ROOT, shipped_topology

DECISION = "# 0001. So it is\n\n* Status: accepted\n* Date: 2026-11-25\n\n## Context\n"


def named(path: Path) -> Iterator[tuple[int, str]]:
    """Status and name of each problem that a module makes with both written out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
            match node.args:
                case [ast.Constant(value=int(status)), ast.Constant(value=str(name)), *_]:
                    yield status, name


def test_every_problem_of_the_edge_is_on_its_page() -> None:
    """With its status. The console answers its own page."""
    rows = {(int(status), name) for status, name in re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", problems_page(), re.M)}
    sources = [path for path in (ROOT / "edge").rglob("*.py") if "console" not in path.parts]
    made = {each for path in sources for each in named(path)}
    assert len(made) > 20
    assert made - rows == set()


def test_every_metric_that_a_process_exports_is_on_its_page() -> None:
    """Whichever process: each name that the product gives to one."""
    page = metrics_page(shipped_topology())
    sources = [path for folder in ("streams", "agents", "sinks", "edge") for path in (ROOT / folder).rglob("*.py")]
    exported = re.compile(r'\.(?:gauge|counter|levels|labelled|histogram)\(\s*"([a-z_]+)"')
    names = {name for path in sources for name in exported.findall(path.read_text())}
    assert len(names) > 10
    assert [name for name in sorted(names) if f"`lockstep_{name}" not in page] == []


def test_every_command_has_a_section() -> None:
    """Also those of groups."""
    page = cli_page()
    assert all(f"## lockstep {name}" in page for name in main.commands)
    assert "## lockstep dlq replay" in page


def test_a_decision_has_a_row(tmp_path: Path) -> None:
    """With title, status and date."""
    (tmp_path / "0001-so.md").write_text(DECISION)
    assert "| 0001 | [So it is](0001-so.md) | accepted | 2026-11-25 |\n" in decisions_page(tmp_path)


@pytest.mark.parametrize(("name", "text"), [("0002-so.md", DECISION), ("0001-so.md", DECISION.replace("* D", "D"))])
def test_a_decision_that_begins_otherwise_is_refused(name: str, text: str, tmp_path: Path) -> None:
    """By another number than its file's, or without one of its lines."""
    (tmp_path / name).write_text(text)
    with pytest.raises(Malformed, match=name):
        decisions_page(tmp_path)


def test_the_picture_shows_every_lane_stage_worker_and_platform() -> None:
    """In words."""
    topology = shipped_topology()
    words = " ".join(re.findall(r">([^<>]+)</text>", picture(topology)))
    assert stages(topology) == ["route", "notify", "store", "push"]
    assert [name for name in (*topology.lanes, *topology.workers, *topology.platforms) if name not in words] == []
