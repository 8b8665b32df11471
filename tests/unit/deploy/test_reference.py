"""The reference pages are those of the code, and a setting cannot be added without its meaning."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from deploy import reference
from deploy.reference import Undescribed, main, pages, settings_page, type_name
from streams.topology import Topology
from tests.unit.fakes import ROOT


def test_the_pages_are_fresh() -> None:
    """The same check as in `make lint`."""
    command = [sys.executable, "-m", "deploy.reference", "--check"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_stale_page_is_named_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--check changes nothing."""
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "settings.md"
    page.write_text("old")
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["reference", "--check"])
    assert main() == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: docs/settings.md is stale: run make reference",
        "error: docs/access.md is stale: run make reference",
        "error: docs/metrics.md is stale: run make reference",
        "error: docs/cli.md is stale: run make reference",
        "error: docs/problems.md is stale: run make reference",
        "error: docs/decisions/index.md is stale: run make reference",
        "error: docs/pipeline.svg is stale: run make reference",
        "error: docs/openapi.json is stale: run make reference",
        "error: docs/asyncapi.json is stale: run make reference",
        "error: docs/topics.schema.json is stale: run make reference",
    ]
    assert page.read_text() == "old"
    monkeypatch.setattr(sys, "argv", ["reference"])
    assert main() == 0
    assert page.read_text() == pages()[page]
    monkeypatch.setattr(sys, "argv", ["reference", "--check"])
    assert main() == 0


class Good(msgspec.Struct):
    """A group.

    port: Its port.
    """

    port: Annotated[int, msgspec.Meta(ge=1, lt=9)] = 5


class Silent(msgspec.Struct):
    """A group that does not say what its setting means."""

    port: int = 5


class Talkative(msgspec.Struct):
    """A group.

    port: Its port.
    host: Not there.
    """

    port: int = 5


def of(group: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Settings with one group."""
    made = msgspec.defstruct("Made", [("one", group, msgspec.field(default_factory=group))])
    made.__doc__ = "All."
    return made


def test_a_setting_has_variable_type_default_and_meaning() -> None:
    """One row each."""
    assert "| `LOCKSTEP_ONE__PORT` | whole number from 1 below 9 | `5` | Its port. |\n" in settings_page(of(Good))


@pytest.mark.parametrize("group", [Silent, Talkative])
def test_settings_and_meanings_must_agree(group: type[msgspec.Struct]) -> None:
    """Neither may be without the other."""
    with pytest.raises(Undescribed, match=group.__name__):
        settings_page(of(group))


def test_a_choice_is_told_by_its_values() -> None:
    """As they are written."""
    assert type_name(Literal["forget", "stop"]) == "`forget` or `stop`"


def test_a_type_without_words_is_refused() -> None:
    """A new kind of setting gets words first."""
    with pytest.raises(Undescribed, match="no words"):
        type_name(bytes)


def keys(node: msgspec.inspect.Type, path: str = "") -> list[str]:
    """Every key below a type, dotted; `<name>` stands for what the writer of the file calls it."""
    match node:
        case msgspec.inspect.StructType(fields=fields):
            return [key for f in fields for key in keys(f.type, f"{path}.{f.encode_name}".lstrip("."))]
        case msgspec.inspect.DictType(value_type=value):
            return keys(value, f"{path}.<name>")
        case _:
            return [path]


def test_the_page_of_the_topology_names_every_key() -> None:
    """docs/topics-yaml.md has a row for each key, and none for another."""
    found = re.findall(r"^\| `([a-z_.<>]+)` \|", (ROOT / "docs" / "topics-yaml.md").read_text(), re.MULTILINE)
    node: Any = msgspec.inspect.type_info(Topology)
    assert sorted(found) == sorted(keys(node))
