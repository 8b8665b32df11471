"""Writes the pages that the code knows best: references, the index of decisions, the picture, documents for tools."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.access_page import access_page
from deploy.cli_page import cli_page
from deploy.decisions_page import decisions_page
from deploy.metrics_page import metrics_page
from deploy.pages import write_or_check
from deploy.picture import picture
from deploy.problems_page import problems_page
from edge.contracts import asyncapi, openapi
from streams.check import DEFAULT, load_file, schema
from streams.settings import PREFIX, Settings

ROOT: Final = Path(__file__).parents[1]
TOPICS: Final = ROOT / DEFAULT
_HEAD: Final = """# Settings

Every process reads these variables once, when it starts; a wrong value stops it with one line that names the variable.
Lists, objects and whole groups are JSON (`LOCKSTEP_REDIS={"host":"r1"}`); one setting overrides its group.
`LOCKSTEP_REDIS__PASSWORD_FILE` names a file that holds the value; so it is with every other variable. Passwords are
[read again](security.md).
Variables that begin with `LOCKSTEP_LOCAL_` belong to the [local stack](operations.md#the-local-stack).

Written by `make reference` from `streams/settings.py`; `make lint` fails when it is stale.
"""


class Undescribed(Exception):
    """A setting without a meaning in its group's docstring, a meaning without a setting, or a type without words."""


def pages() -> dict[Path, str]:
    """The text of each page."""
    docs, topology = ROOT / "docs", load_file(str(TOPICS), handlers=False)
    return {
        docs / "settings.md": settings_page(Settings),
        docs / "access.md": access_page(topology),
        docs / "metrics.md": metrics_page(topology),
        docs / "cli.md": cli_page(),
        docs / "problems.md": problems_page(),
        docs / "decisions" / "index.md": decisions_page(docs / "decisions"),
        docs / "pipeline.svg": picture(topology),
        docs / "openapi.json": _json(openapi.document()),
        docs / "asyncapi.json": _json(asyncapi.document(topology)),
        docs / "topics.schema.json": _json(schema()),
    }


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def settings_page(settings: type[msgspec.Struct]) -> str:
    """The reference of all variables, by group. Raises Undescribed."""
    fields = msgspec.structs.fields(settings)
    groups = [field for field in fields if _is_group(field.type)]
    own = {field.name for field in groups}
    parts = [_HEAD, *_section("General", settings, "", own)]
    for group in groups:
        parts += _section(group.name.capitalize(), group.type, f"{group.name.upper()}__", set())
    return "\n".join(parts) + "\n"


def _is_group(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, msgspec.Struct)


def _section(title: str, group: type[msgspec.Struct], prefix: str, without: set[str]) -> Iterator[str]:
    about, meanings = described(group)
    fields = [field for field in msgspec.structs.fields(group) if field.name not in without]
    names = [field.name for field in fields]
    if names != list(meanings):
        raise Undescribed(f"{group.__name__}: the docstring describes {list(meanings)}, the settings are {names}")
    yield f"## {title}\n\n{about}\n\n| variable | type | default | meaning |\n|---|---|---|---|"
    defaults = group()
    for field in fields:
        variable = f"`{PREFIX}{prefix}{field.name.upper()}`"
        default = shown(getattr(defaults, field.name))
        yield f"| {variable} | {type_name(field.type)} | {default} | {meanings[field.name]} |"
    yield ""


def shown(default: Any) -> str:
    """A default as it would be written into the environment."""
    text = default if isinstance(default, str) else msgspec.json.encode(default).decode()
    return f"`{text}`" if text else "empty"


def described(group: type[msgspec.Struct]) -> tuple[str, Mapping[str, str]]:
    """What a docstring says: its first line, and the meaning of each setting from lines such as `port: Its port.`"""
    about, *lines = inspect.cleandoc(group.__doc__ or "").split("\n")
    pairs = (line.strip().partition(": ") for line in lines if line.strip())
    return about, {name: meaning for name, _, meaning in pairs}


def type_name(annotation: Any) -> str:
    """A type in words, with its limits. Raises Undescribed."""
    found = msgspec.inspect.type_info(annotation)
    match found:
        case msgspec.inspect.IntType():
            return "whole number" + _limits(found)
        case msgspec.inspect.BoolType():
            return "`true` or `false`"
        case msgspec.inspect.FloatType():
            return "number" + _limits(found)
        case msgspec.inspect.VarTupleType():
            return "JSON list of texts"
        case msgspec.inspect.DictType():
            return "JSON object of texts"
        case msgspec.inspect.StrType(pattern=pattern) if pattern:
            return f"text like `{pattern}`".replace("|", "\\|")
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case msgspec.inspect.StrType():
            return "text"
        case _:
            raise Undescribed(f"no words for the type {annotation}")


def _limits(number: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    words = (("above", number.gt), ("from", number.ge), ("below", number.lt), ("to", number.le))
    text = " ".join(f"{word} {limit}" for word, limit in words if limit is not None)
    return f" {text}" if text else ""


def main() -> int:
    """Write the pages, or with --check say which are stale; then the exit status is 1."""
    return write_or_check("deploy.reference", "reference", pages(), ROOT)


if __name__ == "__main__":
    sys.exit(main())
