"""The examples of the pages: fenced blocks, the commands in them, and what a page says that they print."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.unit.fakes import ROOT

PAGES: Final = sorted([
    ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").glob("*/README.md"),
    *(ROOT / "examples").glob("*/README.md"), ROOT / "tests" / "mutants" / "README.md",
])  # fmt: skip
SHELLS: Final = ("sh", "bash", "console")
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE: Final = re.compile(r"<<'(\w+)'")
#: What stands before the program: settings of its environment, or the variable that keeps its output.
_BEFORE: Final = re.compile(r"^(?:[A-Za-z_]\w*=(?:\$\(|\"\$\(|(?:'[^']*'|\"[^\"]*\"|[^\s'\"$])*(?:\s+|$)))*")


class Block(NamedTuple):
    """A fenced block of a page. `shows` is the `text` block right behind it: what it prints, in the shape of a run."""

    page: Path
    line: int
    language: str
    text: str
    shows: str = ""

    @property
    def where(self) -> str:
        """Page and line."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All of a page, in order."""
    text = page.read_text()
    found: list[Block] = []
    end = 0
    for fence in _FENCE.finditer(text):
        language, inside = fence.groups()
        if language == "text" and found and not text[end : fence.start()].strip():
            found[-1] = found[-1]._replace(shows=inside)
        found.append(Block(page, text.count("\n", 0, fence.start()) + 1, language, inside))
        end = fence.end()
    return found


def commands(text: str) -> Iterator[str]:
    """Each command of a shell's text, without comments; what is quoted or given to it over lines belongs to it."""
    held, until = "", ""
    for line in text.splitlines():
        held += line + "\n"
        if until:
            until = "" if line == until else until
        elif here := _HERE.search(line):
            until = here[1]
        if not until and not line.endswith("\\") and _closed(held):
            if _words(held):
                yield held.strip()
            held = ""
    if held.strip():
        raise ValueError(f"a quote is open: {held}")


def program(command: str) -> str:
    """What a command runs: its first word that is no assignment; none where it only assigns."""
    rest = _BEFORE.sub("", command)
    return re.split(r"[\s()|;&<>]", rest, maxsplit=1)[0]


def _closed(text: str) -> bool:
    try:
        _words(text)
    except ValueError:
        return False
    return True


def _words(text: str) -> list[str]:
    """Raises ValueError where a quote is open."""
    return shlex.split(_HERE.split(text)[0], comments=True)
