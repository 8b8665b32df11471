"""deploy/docker/compose.yaml against the Compose Specification, and against itself."""

from __future__ import annotations

import json
from copy import deepcopy
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema_rs import Draft202012Validator

from tests.unit.fakes import ROOT

FILE: Final = ROOT / "deploy/docker/compose.yaml"
#: The specification's own schema, as compose-go 2.16.2 has it, without descriptions.
SPECIFICATION: Final = Draft202012Validator(
    json.loads((Path(__file__).parent / "schemas" / "compose.json").read_text())
)


def compose() -> Any:
    """The file with its anchors and merges resolved."""
    return yaml.safe_load(FILE.read_text())


def problems(document: Any) -> list[str]:
    """What the schema refuses, then what refers to nothing; `docker compose` refuses both."""
    wrong = [
        f"{'.'.join(map(str, each.instance_path))}: {each.message}" for each in SPECIFICATION.iter_errors(document)
    ]
    return wrong or [*_references(document)]


def _references(document: Any) -> list[str]:
    services, volumes = document["services"], document.get("volumes", {})
    wrong = []
    needs: dict[str, set[str]] = {name: {*each.get("depends_on", {})} for name, each in services.items()}
    for name, each in services.items():
        wrong += [f"{name}: depends on {other}, which is no service" for other in needs[name] - services.keys()]
        for other, need in each.get("depends_on", {}).items():
            judged = services.get(other, {}).get("healthcheck", {"disable": True})
            if need["condition"] == "service_healthy" and judged.get("disable"):
                wrong.append(f"{name}: waits for the health of {other}, which has no healthcheck")
        mounted = {volume.partition(":")[0] for volume in each.get("volumes", [])}
        wrong += [f"{name}: mounts {volume}, which is no volume" for volume in mounted - volumes.keys()]
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        wrong.append(f"services depend on each other: {error.args[1]}")
    return wrong


def test_the_compose_file_is_one() -> None:
    """By the schema that `docker compose config` judges with, and by the references that it follows.

    Not covered, for want of an engine: whether the images exist and hold these commands, whether the healthchecks pass,
    and what services say to each other. Variables are not covered either: the file has none.
    """
    assert problems(compose()) == []
    assert "$" not in FILE.read_text()


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("services", "edge", "comand"), ["edge"], "comand"),
        (("services", "edge", "ports"), 8080, "8080 is not"),
        (("services", "edge", "restart"), True, "true is not"),
        (("services", "redis", "healthcheck", "retry"), 3, "retry"),
        (("services", "edge", "depends_on"), {"topics": {"condition": "done"}}, "not"),
        (("services", "edge", "depends_on"), {"nobody": {"condition": "service_started"}}, "is no service"),
        (("services", "edge", "depends_on"), {"token": {"condition": "service_healthy"}}, "no healthcheck"),
        (("services", "kafka", "depends_on"), {"edge": {"condition": "service_started"}}, "depend on each other"),
        (("services", "edge", "volumes"), ["lost:/data"], "is no volume"),
        (("volums",), {}, "volums"),
    ],
)
def test_what_docker_compose_would_refuse_is_refused(path: tuple[str, ...], value: object, says: str) -> None:
    """Misspelt keys, wrong types, and what refers to nothing."""
    document = deepcopy(compose())
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    found = problems(document)
    assert found
    assert says in " ".join(found)
