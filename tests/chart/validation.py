"""Objects against the schemas of their kinds: those of Kubernetes, and those of custom resources beside this file."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jsonschema_rs import Draft202012, Draft202012Validator, Registry

#: Made from the definitions of KEDA, the Prometheus operator and the Gateway API: closed, without descriptions.
SCHEMAS: Final = Path(__file__).parent / "schemas"
Object = dict[str, Any]


def problems(objects: list[Object], version: str) -> list[str]:
    """What is wrong with each object for that minor version; a kind without a schema is wrong too."""
    return [f"{each['kind']}/{each['metadata']['name']}: {why}" for each in objects if (why := _problem(each, version))]


def _problem(each: Object, version: str) -> str:
    validator = _validator(each["apiVersion"], each["kind"], version)
    if validator is None:
        return f"no schema for {each['apiVersion']}"
    error = next(iter(validator.iter_errors(each)), None)
    return "" if error is None else f"{'.'.join(map(str, error.instance_path))}: {error.message}"


@cache
def _validator(api: str, kind: str, version: str) -> Any:
    group, _, number = api.rpartition("/")
    custom = SCHEMAS / f"{group}_{kind}_{number}.json"
    if custom.exists():
        return Draft202012Validator(json.loads(custom.read_text()))
    short = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    builtin = _folder(version) / f"{kind.lower()}-{short}.json"
    if not builtin.is_file():
        return None
    schema = json.loads(builtin.read_text())
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Any:
    contents = json.loads((_folder(version) / "_definitions.json").read_text())
    return Registry([("json-schema:///_definitions.json", contents)], draft=Draft202012)


@cache
def _folder(version: str) -> Path:
    root = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema"
    [found] = root.glob(f"v{version}.*-local-strict")
    return found
