"""Schemas of event types: JSON Schema 2020-12 of the payload, a file each in a directory beside topics.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import msgspec
from jsonschema_rs import Draft202012, Draft202012Validator, RegexOptions, ValidationError, canonicalize
from jsonschema_rs.canonical import Containment

from streams.cloudevents import is_json
from streams.compat import Narrowed, narrowed
from streams.conform import unknown
from streams.event import Event
from streams.topology import Topology

Schema = dict[str, Any] | bool
_SUFFIX: Final = ".json"
_DETAIL: Final = 200  # most characters of what is told of a payload, which may be long


class BadSchemas(Exception):
    """Schemas that cannot be used; one line for each problem, `schemas/member.plan.changed.json: …`."""


class Payloads:
    """Judges payloads by the schema of their event type; a type without one may hold anything."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._validators = {type_: _validator(schema) for type_, schema in schemas.items()}

    def problem(self, event: Event) -> str | None:
        """What is wrong with an event's payload. The time this takes is bounded by the size of the payload."""
        validator = self._validators.get(event.type)
        if validator is None:
            return None
        if event.payload and not is_json(event.content_type):
            return f"the payload is {event.content_type[:_DETAIL]}, and {event.type} has a schema of JSON"
        try:
            payload = msgspec.json.decode(event.payload) if event.payload else None
        except (msgspec.MsgspecError, RecursionError) as error:
            return f"the payload cannot be read: {error}"
        wrong = next(iter(validator.iter_errors(payload)), None)
        return None if wrong is None else f"data{_place(wrong)}: {wrong.message}"[:_DETAIL]


def read_schemas(topology: Topology, path: str) -> dict[str, Schema]:
    """The schemas by event type, of the topology in the file `path`. Raises BadSchemas with every problem."""
    if topology.schemas is None:
        return {}
    file = Path(path)
    around: Traversable = file.parent if file.is_file() else resources.files("streams")
    directory = around / topology.schemas
    if not directory.is_dir():
        raise BadSchemas(f"{directory}: no such directory; topics.yaml names it as `schemas`")
    types = [type_ for case in topology.use_cases.values() for type_ in case.types]
    found: dict[str, Schema] = {}
    problems: list[str] = []
    for each in _files(directory):
        type_ = each.name.removesuffix(_SUFFIX)
        if type_ not in types:
            problems.append(f"{each}: {unknown('event type', type_, types)} in any use case")
        try:
            found[type_] = read_schema(each)
        except BadSchemas as error:
            problems.append(str(error))
    if problems:
        raise BadSchemas("\n".join(problems))
    return found


def read_directory(directory: Path) -> dict[str, Schema]:
    """The schemas in a directory, by event type. Raises BadSchemas for the first that is none."""
    return {each.name.removesuffix(_SUFFIX): read_schema(each) for each in _files(directory)}


def read_schema(file: Traversable) -> Schema:
    """The schema in a file. Raises BadSchemas, OSError."""
    try:
        schema: Schema = msgspec.json.decode(file.read_bytes(), type=dict[str, Any] | bool)
        _validator(schema)
    except ValidationError as error:
        raise BadSchemas(f"{file}: no JSON Schema 2020-12{_place(error)}: {error.message}") from error
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadSchemas(f"{file}: no JSON Schema: {error}") from error
    return schema


def refusals(old: Schema, new: Schema) -> list[Narrowed]:
    """Where `new` may refuse what `old` took: what a comparison finds, unless the library proves that it takes all."""
    found = narrowed(old, new)
    return [] if found and _covers(new, old) else found


def _covers(new: Schema, old: Schema) -> bool:
    try:
        after, before = (
            canonicalize(one, draft=Draft202012, validate_formats=True, pattern_options=RegexOptions(), offline=True)
            for one in (new, old)
        )
        return after.covers(before) == Containment.YES
    except ValueError:  # of a kind that it does not follow
        return False


def _files(directory: Traversable) -> Iterator[Traversable]:
    yield from sorted((each for each in directory.iterdir() if each.name.endswith(_SUFFIX)), key=lambda one: one.name)


def _validator(schema: Schema) -> Any:
    """Nothing is fetched for references; patterns take linear time. Raises ValidationError."""
    return Draft202012Validator(schema, validate_formats=True, offline=True, pattern_options=RegexOptions())


def _place(error: ValidationError) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
