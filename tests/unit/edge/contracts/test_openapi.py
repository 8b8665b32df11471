"""The OpenAPI document: every route is in it and nothing else, and it says what the pages say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema_rs import meta

from edge.contracts import openapi
from edge.devices import Devices
from edge.ingest.endpoint import Ingest
from edge.operators import Operators
from edge.pull.endpoint import Pull
from tests.unit.fakes import ROOT

DOCUMENT = openapi.document()


def test_every_route_is_described() -> None:
    """By its method and path, and by the handler that serves it."""
    parts: list[Any] = [object.__new__(part) for part in (Pull, Devices, Ingest, Operators)]
    served = {(route.method.lower(), route.path, route.handler.__func__) for part in parts for route in part.routes()}
    assert {(each.method, each.path, each.handler) for each in openapi.OPERATIONS} == served


def schemas(node: Any) -> list[dict[str, Any]]:
    """Every schema of a request or a response."""
    if isinstance(node, list):
        return [found for each in node for found in schemas(each)]
    if not isinstance(node, dict):
        return []
    own = [node["schema"]] if isinstance(node.get("schema"), dict) else []
    return own + [found for each in node.values() for found in schemas(each)]


def test_the_schemas_are_schemas() -> None:
    """Of the dialect of OpenAPI 3.1; every reference leads somewhere."""
    components = DOCUMENT["components"]["schemas"]
    for schema in (*components.values(), *schemas(DOCUMENT["paths"])):
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    named = set(re.findall(r"#/components/schemas/(\w+)", str(DOCUMENT)))
    assert named <= set(components)


@pytest.mark.parametrize("page", ["devices", "producers"])
def test_the_pages_have_every_problem(page: str) -> None:
    """That devices and producers can meet; those of events are the reasons of dead letters."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    for operation in openapi.OPERATIONS:
        if operation.tag == page:
            for name in (name for names in operation.problems.values() for name in names):
                assert f"`{name}`" in text or f"`{name.removeprefix('event-')}`" in text, name
