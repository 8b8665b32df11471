"""What an example prints has the shape of what its page shows: numbers, times and ids are of a run."""

from __future__ import annotations

import re
from typing import Final

#: What is another in every run: numbers, times, ids.
_VARIES: Final = re.compile(r"[0-9a-f]{32}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|[0-9]+")


def missed(shows: str, printed: str) -> str:
    """The first line of a page that was not printed, in order; numbers are of a run, `…` stands for anything."""
    rest = iter(printed.splitlines())
    for line in filter(str.strip, shows.splitlines()):
        pattern = re.compile(shape(line))
        if not any(pattern.fullmatch(each.strip()) for each in rest):
            return line
    return ""


def shape(line: str) -> str:
    """The pattern of all lines that look like this one."""
    parts = line.strip().split("…")
    return ".*".join(_spaced("".join(_parts(part))) for part in parts)


def _parts(text: str) -> list[str]:
    found, end = [], 0
    for each in _VARIES.finditer(text):
        found += [re.escape(text[end : each.start()]), _like(each[0])]
        end = each.end()
    return [*found, re.escape(text[end:])]


def _like(text: str) -> str:
    if len(text) == 32:
        return "[0-9a-f]{32}"
    return r"[0-9T:.-]+Z" if "T" in text else r"[0-9]+"


def _spaced(pattern: str) -> str:
    return re.sub(r"(?:\\ )+", r"\\s+", pattern)
