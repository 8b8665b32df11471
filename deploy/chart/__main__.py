"""Writes what is generated of the chart: values, their schema and reference, rules, the copy of topics.yaml."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from ruamel.yaml import YAML

from deploy.chart.schema import values_schema
from deploy.chart.values import Values
from deploy.chart.workers import WORKERS
from deploy.monitoring.dashboards import boards
from deploy.monitoring.rules import groups
from deploy.pages import write_or_check
from deploy.reference import described
from streams.check import load
from streams.topology import Topology

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "deploy" / "helm" / "lockstep"
SCHEMAS: Final = ROOT / "schemas"
_HEAD: Final = "Written by `make chart` from `deploy/chart/values.py`; `make lint` fails when it is stale."


class Undescribed(Exception):
    """A value without a meaning, or a meaning without a value."""


def pages() -> dict[Path, str]:
    """The text of each file of the chart that is not written by hand."""
    return {
        CHART / "values.yaml": values_yaml(),
        CHART / "values.schema.json": json.dumps(values_schema(), indent=1) + "\n",
        CHART / "VALUES.md": values_page(),
        CHART / "files" / "topics.yaml": (ROOT / "topics.yaml").read_text(),
        **{CHART / "files" / "schemas" / each.name: each.read_text() for each in sorted(SCHEMAS.glob("*.json"))},
        CHART / "files" / "rules.yaml": _yaml(groups()),
        **{CHART / "files" / "dashboards" / f"{name}.json": text for name, text in boards().items()},
    }


def topology() -> Topology:
    """The topology as shipped."""
    return load((ROOT / "topics.yaml").read_text(), "topics.yaml", handlers=False)


def defaults() -> dict[str, Any]:
    """The defaults of all values."""
    made: dict[str, Any] = msgspec.to_builtins(Values())
    return made | {"workers": WORKERS}


def values_yaml() -> str:
    """values.yaml, each value under its meaning."""
    lines = [f"# {_HEAD.replace('`', '')}", *_commented(Values, defaults(), 0)]
    return "\n".join(lines) + "\n"


def _commented(struct: type[msgspec.Struct], values: Mapping[str, Any], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for name, field, meaning in _fields(struct):
        yield f"{pad}# {meaning}"
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield f"{pad}{name}:"
            yield from _commented(inner, values[name], depth + 1)
        else:
            yield from (pad + line for line in _yaml({name: values[name]}).splitlines())


def _yaml(value: Any) -> str:
    out = io.StringIO()
    yaml = YAML()
    yaml.width = 200
    yaml.dump(value, out)
    return out.getvalue()


def _fields(struct: type[msgspec.Struct]) -> Iterator[tuple[str, Any, str]]:
    """Name in YAML, field, meaning. Raises Undescribed."""
    _, meanings = described(struct)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    if list(fields) != list(meanings):
        raise Undescribed(f"{struct.__name__}: the docstring describes {list(meanings)}, the values are {list(fields)}")
    for name, field in fields.items():
        yield name, field, meanings[name]


def values_page() -> str:
    """The reference of all values, in one table."""
    rows = "\n".join(_rows(Values, defaults(), ""))
    return f"# Values\n\n{_HEAD}\n\n| value | default | meaning |\n|---|---|---|\n{rows}\n"


def _rows(struct: type[msgspec.Struct], values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, field, meaning in _fields(struct):
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield f"| **`{prefix}{name}`** | | {meaning} |"
            yield from _rows(inner, values[name], f"{prefix}{name}.")
        else:
            yield f"| `{prefix}{name}` | {_shown(values[name])} | {meaning} |"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`" if text else "empty"


if __name__ == "__main__":
    sys.exit(write_or_check("deploy.chart", "chart", pages(), ROOT))
