"""values.schema.json: strict, from the values of the chart and the settings of the processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from deploy.chart.values import Values
from deploy.reference import described
from streams.metrics import LATENCY
from streams.settings import PREFIX, Settings

Schema = dict[str, Any]
#: Settings that the chart sets itself, since its volumes, ports and probes depend on them.
OWN: Final = frozenset({
    "topology", "data_dir", "edge.host", "edge.port", "edge.push_host", "edge.push_port", "edge.advertise",
    "health.host", "health.port", "tokens.keys", "ingest.callers", "kafka.security_file", "cassandra.password_file",
    "redis.password_file", "fcm.account_file", "console.host", "console.port", "console.https", "console.edge",
    "console.targets", "console.play_key",
})  # fmt: skip
#: Secrets come from Secrets only.
_SECRET: Final = re.compile(r"(password|secret|_keys?|^(apns|webpush)\.key|^fcm\.account)$")


def setting_paths() -> Iterator[str]:
    """`kafka.servers` and so on: every setting."""
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from (f"{field.name}.{inner.name}" for inner in msgspec.structs.fields(field.type))
        else:
            yield field.name


def variable(path: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + path.replace(".", "__").upper()


def is_secret(path: str) -> bool:
    """Whether a setting may stand in a Secret only."""
    return _SECRET.search(path) is not None


def values_schema() -> Schema:
    """The schema of values.yaml."""
    [made], definitions = msgspec.json.schema_components([Values], ref_template="#/$defs/{name}")
    [settings], groups = msgspec.json.schema_components([Settings], ref_template="#/$defs/settings.{name}")
    definitions |= {f"settings.{name}": _settings(name, schema) for name, schema in groups.items()}
    properties = definitions["Values"]["properties"]
    properties["config"] = {"$ref": settings["$ref"]}
    key = {"$ref": "#/$defs/SecretKey"}
    properties["secretFiles"] = {
        "type": "object",
        "properties": {variable(path): key for path in setting_paths() if path not in OWN},
        "additionalProperties": False,
    }
    definitions["Objective"]["properties"]["seconds"]["enum"] = list(LATENCY)
    for struct in _structs(Values):
        _describe(definitions[struct.__name__], struct)
    properties["global"] = {"type": "object", "description": "Helm's own."}
    properties["workers"].pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "$defs": definitions}


def _settings(name: str, schema: Schema) -> Schema:
    """A group of settings without those that the chart owns and those that are secrets."""
    group = "" if name == "Settings" else f"{name.lower()}."
    left = {
        field: _plain(inner)
        for field, inner in schema["properties"].items()
        if group + field not in OWN and not is_secret(group + field)
    }
    return {"type": "object", "properties": left, "additionalProperties": False}


def _plain(schema: Schema) -> Schema:
    """Without the default, which is the program's: the chart sets only what values say. Python's \\Z is not JSON's."""
    plain = {word: value for word, value in schema.items() if word != "default"}
    if "pattern" in plain:
        plain["pattern"] = plain["pattern"].replace("\\Z", "$")
    return plain


def _structs(root: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """A struct and those in it, each once."""
    found = [root]
    for struct in found:
        for field in msgspec.structs.fields(struct):
            for inner in _inside(field.type):
                if inner not in found:
                    found.append(inner)
    yield from found


def _inside(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    for part in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            yield part


def _describe(schema: Schema, struct: type[msgspec.Struct]) -> None:
    about, meanings = described(struct)
    schema["description"] = about
    schema.pop("title", None)
    for name, meaning in meanings.items():
        schema["properties"][name] = {**schema["properties"][name], "description": meaning}
