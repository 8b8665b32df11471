"""docs/decisions/index.md: the decisions of the architecture, from their own first lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_HEAD: Final = """# Decisions

What was decided about the architecture, why, and which test would notice if it were wrong. A new one starts as a copy
of [the template](template.md), with the next number.

Written by `make reference` from the pages themselves; `make lint` fails when it is stale.

| | decision | status | date |
|---|---|---|---|"""
_FORM: Final = re.compile(r"# (\d{4})\. (.+)\n\n\* Status: (.+)\n\* Date: (\d{4}-\d\d-\d\d)\n\n## Context\n")


class Malformed(Exception):
    """A decision that does not begin as the template does."""


def decisions_page(directory: Path) -> str:
    """The whole page. Raises Malformed."""
    return "\n".join([_HEAD, *map(_row, sorted(directory.glob("[0-9]*.md")))]) + "\n"


def _row(page: Path) -> str:
    found = _FORM.match(page.read_text())
    if found is None or not page.name.startswith(found[1]):
        raise Malformed(f"{page.name}: begin as docs/decisions/template.md does")
    number, title, status, date = found.groups()
    return f"| {number} | [{title}]({page.name}) | {status} | {date} |"
