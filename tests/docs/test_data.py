"""Examples that are data and not commands: use cases are good ones, values of the chart render, JSON is JSON."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
import yaml

from streams.check import load
from tests.chart.rendering import profile, render
from tests.docs.blocks import PAGES, Block, blocks
from tests.unit.fakes import ROOT

ALL: Final = [block for page in PAGES for block in blocks(page)]
YAML: Final = [block for block in ALL if block.language == "yaml"]
JSON: Final = [block for block in ALL if block.language == "json"]
#: Top level of the values that the pages show.
VALUES: Final = {"config", "console", "networkPolicy", "secretFiles"}


def shipped() -> Any:
    """topics.yaml, as data."""
    return yaml.safe_load((ROOT / "topics.yaml").read_text())


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.where)
def test_an_example_in_yaml_is_taken(block: Block) -> None:
    """As one more use case, as a use case's lane, or as values of the chart."""
    data = yaml.safe_load(block.text)
    if set(data) <= VALUES:
        assert render({**profile("dev"), **data})
        return
    document = shipped()
    if set(data) == {"lane"}:
        document["use_cases"]["plan-change"]["lane"] = data["lane"]
    else:
        document["use_cases"] |= data.get("use_cases", data)
    load(yaml.safe_dump(document, sort_keys=False), block.where, handlers=False)


def test_the_first_use_case_has_five_lines() -> None:
    """As the README and the cookbook say; they show the same."""
    for page in (ROOT / "README.md", ROOT / "docs" / "cookbook.md"):
        first = next(block for block in blocks(page) if block.language == "yaml")
        assert list(yaml.safe_load(first.text)) == ["download-finished"]
        assert len(first.text.splitlines()) == 5


@pytest.mark.parametrize("block", JSON, ids=lambda block: block.where)
def test_an_example_in_json_is_json(block: Block) -> None:
    """An object."""
    assert isinstance(json.loads(block.text), dict)
