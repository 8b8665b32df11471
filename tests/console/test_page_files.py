"""The files of the console's page: others' as they were released, ours as we write, and nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests import node
from tests.unit.fakes import ROOT

PAGE = ROOT / "edge" / "console" / "page"
VENDOR = PAGE / "vendor"
PACKAGES = ROOT / "tests" / "console" / "page"
#: Each vendored file, and what it is in the package of its makers.
RELEASED = {
    "htm-preact.js": "htm/preact/standalone.module.js",
    "LICENSE-htm": "htm/LICENSE",
    "uPlot.esm.js": "uplot/dist/uPlot.esm.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
    "LICENSE-uplot": "uplot/LICENSE",
    "inter-latin-wght-normal.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "LICENSE-inter": "@fontsource-variable/inter/LICENSE",
    "jetbrains-mono-latin-wght-normal.woff2":
        "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
    "LICENSE-jetbrains-mono": "@fontsource-variable/jetbrains-mono/LICENSE",
    "LICENSE-preact": "preact/LICENSE",
}  # fmt: skip
MODULES = sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.js") if VENDOR not in path.parents)
STYLES = sorted(path.relative_to(PAGE).as_posix() for path in (PAGE / "style").iterdir())
MOST_LINES, MOST_COLUMNS = 300, 120
#: Loaded when they are needed, or by the page itself.
LATER = {"main.js"}


def test_what_is_vendored_is_what_was_released() -> None:
    """Byte by byte, and every file of it is accounted for."""
    node.check_lock(PACKAGES)
    modules = node.installed(PACKAGES) / "node_modules"
    assert {path.name for path in VENDOR.iterdir()} == set(RELEASED)
    for name, source in RELEASED.items():
        assert (VENDOR / name).read_bytes() == (modules / source).read_bytes(), name


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_one_short_concept(name: str) -> None:
    """It begins with what it is, explains what it exports, and is within bounds; Node can read it."""
    text = (PAGE / name).read_text()
    lines = text.splitlines()
    assert lines[0].startswith("// "), name
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= MOST_COLUMNS
    bare = [line for before, line in pairwise(lines) if line.startswith("export") and "*/" not in before]
    assert bare == []
    checked = subprocess.run(
        ["node", "--check", "--input-type=module", "-"], input=text, text=True, capture_output=True
    )
    assert checked.returncode == 0, checked.stderr


def test_the_page_asks_for_everything_at_once() -> None:
    """Modules that import one another would else be found one after the other."""
    text = (PAGE / "index.html").read_text()
    asked = set(re.findall(r'<link rel="modulepreload" href="([^"]+)">', text))
    assert asked == {*MODULES, "lockstep.mjs", "vendor/htm-preact.js"} - LATER
    assert set(re.findall(r'<link rel="stylesheet" href="([^"]+)">', text)) == {*STYLES, "vendor/uPlot.min.css"}
    assert not re.search(r"<style|<script(?! type=\"module\" src=)|\son[a-z]+=|\sstyle=", text)


def test_nothing_comes_from_elsewhere() -> None:
    """No file of ours names another host, but for the name space of pictures."""
    files = [*(PAGE / name for name in (*MODULES, *STYLES)), PAGE / "index.html", PAGE / "favicon.svg"]
    found = {path.name: hosts(path) for path in files if hosts(path)}
    assert found == {"favicon.svg": ["http://www.w3.org"]}


def hosts(path: Path) -> list[str]:
    """The addresses in a file."""
    return re.findall(r"\b(?:https?|wss?)://[^/\s\"'`]+", path.read_text())


def test_only_one_file_names_colours() -> None:
    """The words of the design are all in tokens.css."""
    colour = re.compile(r"#[0-9a-f]{3,8}\b|rgb\(|hsl\(")
    named = [name for name in STYLES if name != "style/tokens.css" and colour.search((PAGE / name).read_text())]
    assert named == []
