"""The OpenAPI document of the HTTP interface, made of its handlers, its types and the table of its operations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from edge.contracts import contract as c
from edge.devices import DeviceBody, Devices
from edge.ingest.endpoint import Ingest
from edge.operators import Operators
from edge.problems import PREFIX
from edge.pull.endpoint import POLL_AFTER, AckBody, Pull

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
EVENT: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
_REF: Final = "#/components/schemas/{name}"
Names = tuple[str, ...]


class Parameter(NamedTuple):
    """A parameter of a request; `where` is query or header."""

    name: str
    where: str
    schema: Mapping[str, Any]
    about: str


class Operation(NamedTuple):
    """A method of a path: its handler says what it does. `gives`: the type of the body by status; None for no body.

    `problems`: the names of problems by status, beside those that every operation has.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    tag: str
    gives: Mapping[int, Any]
    problems: Mapping[int, Names] = {}
    takes: Mapping[str, Any] = {}
    parameters: Sequence[Parameter] = ()


_TEXT: Final = {"type": "string"}
_POLL_AFTER: Final = "Seconds until the device asks again, as `poll_after` of a page."
_TAG: Final = Parameter("If-None-Match", "header", _TEXT, "The ETag of the last page.")
_PULL: Final = (
    Parameter("cursor", "query", _TEXT, "The newest cursor; without one everything in the inbox is given."),
    Parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "Most items."),
    Parameter("wait", "query", {"type": "integer", "minimum": 0, "maximum": 30, "default": 0}, "Longest wait, s."),
    _TAG,
)
_UNKNOWN: Final = ("unknown-device",)
_WRONG: Final = ("wrong-device",)
_SLOW: Final = ("too-slow",)
_LARGE: Final = ("request-entity-too-large",)
_DEVICE: Final = "/v1/devices/{id}"
_ACCOUNT: Final = "/v1/accounts/{account}"
_REASONS: Final = (
    "event-undecodable", "event-null-value", "event-unknown-type", "event-no-account", "event-bad-attribute",
    "event-future-dated", "event-bad-data", "malformed-body",
)  # fmt: skip

OPERATIONS: Final = (
    Operation("put", _DEVICE, Devices.put, "devices", {200: c.Registration, 201: c.Registration},
              {400: ("malformed-body", "malformed-app-version", "malformed-token", "unknown-device-type",
                     "unknown-platform"),
               403: (*_WRONG, "wrong-device-type"), 408: _SLOW, 409: ("too-many-devices",), 413: _LARGE},
              {JSON: DeviceBody}),
    Operation("get", _DEVICE, Devices.get, "devices", {200: c.OneDevice}, {403: _WRONG, 404: _UNKNOWN}),
    Operation("delete", _DEVICE, Devices.delete, "devices", {204: None}, {403: _WRONG, 404: _UNKNOWN}),
    Operation("get", _DEVICE + "/notifications", Pull.notifications, "devices", {200: c.Page, 304: None},
              {400: ("malformed-cursor", "bad-limit", "bad-wait"), 403: _WRONG, 404: _UNKNOWN,
               410: ("resync-required",)}, parameters=_PULL),
    Operation("post", _DEVICE + "/acks", Pull.acks, "devices", {204: None},
              {400: ("malformed-body", "malformed-cursor"), 403: _WRONG, 404: _UNKNOWN,
               408: _SLOW, 413: _LARGE}, {JSON: AckBody}),
    Operation("post", "/v1/events", Ingest.events, "producers", {202: c.Published, 207: c.Published},
              {400: _REASONS, 403: ("type-not-allowed",), 408: _SLOW,
               413: ("body-too-large", "batch-too-large", "event-oversized"), 415: ("unsupported-media-type",),
               429: ("too-many-events",)}, {EVENT: c.Event, BATCH: list[c.Event]}),
    Operation("get", _ACCOUNT + "/devices", Operators.devices, "operators", {200: c.SeenDevices},
              {400: ("malformed-account",), 403: ("not-allowed",)}),
    Operation("get", _ACCOUNT + "/devices/{id}", Operators.device, "operators", {200: c.OneSeenDevice},
              {400: ("malformed-account",), 403: ("not-allowed",), 404: _UNKNOWN}),
    Operation("delete", _ACCOUNT + "/devices/{id}", Operators.forget, "operators", {204: None},
              {400: ("malformed-account",), 403: ("not-allowed",), 404: _UNKNOWN}),
    Operation("post", _ACCOUNT + "/revocation", Operators.revoke, "operators", {200: c.Revocation},
              {400: ("malformed-account",), 403: ("not-allowed",)}),
    Operation("delete", _ACCOUNT, Operators.erase, "operators", {200: c.Erased},
              {400: ("malformed-account",), 403: ("not-allowed",), 409: ("not-erased",)}),
)  # fmt: skip
#: What every operation may answer.
ALWAYS: Final[Mapping[int, Names]] = {
    401: ("bad-token",), 429: ("too-many-requests",), 500: ("internal",), 503: ("unavailable", "overloaded"),
}  # fmt: skip
_TITLES: Final = {
    200: "Done", 201: "Registered", 202: "The broker has all events", 204: "Done", 207: "Results differ",
    304: "Nothing new",
}  # fmt: skip


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    _, components = msgspec.json.schema_components(c.TYPES, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lockstep edge",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "security": [{"bearer": []}],
        "tags": [
            {"name": "devices", "description": "Tokens of devices: JWT signed with Ed25519."},
            {"name": "producers", "description": "Tokens of producers."},
            {"name": "operators", "description": "Tokens of operators, on a port of their own."},
        ],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    summary, *about = inspect.cleandoc(operation.handler.__doc__ or "").split("\n\n", 1)
    made: dict[str, Any] = {
        "operationId": operation.handler.__qualname__.lower().replace(".", "-"),
        "summary": summary.rstrip(".").replace("\n", " "),
        "tags": [operation.tag],
        "parameters": [*_path_parameters(operation.path), *map(_parameter, operation.parameters)],
        "responses": {str(status): response for status, response in sorted(_responses(operation))},
    }
    if about:
        made["description"] = about[0].replace("\n", " ")
    if operation.takes:
        made["requestBody"] = {
            "required": True,
            "content": {kind: _body(type_) for kind, type_ in operation.takes.items()},
        }
    return made


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name, pattern in (("account", None), ("id", r"^[A-Za-z0-9._:~-]{1,128}$")):
        if f"{{{name}}}" in path:
            schema = {**_TEXT, "pattern": pattern} if pattern else {**_TEXT, "minLength": 1, "maxLength": 128}
            yield {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    name, where, schema, about = parameter
    return {"name": name, "in": where, "required": False, "schema": schema, "description": about}


def _responses(operation: Operation) -> Iterator[tuple[int, dict[str, Any]]]:
    for status, type_ in operation.gives.items():
        made: dict[str, Any] = {"description": _TITLES[status]}
        if type_ is not None:
            made["content"] = {JSON: _body(type_)}
        if status == 304:
            made["headers"] = {POLL_AFTER: {"schema": {"type": "integer", "minimum": 0}, "description": _POLL_AFTER}}
        yield status, made
    for status in sorted({*ALWAYS, *operation.problems}):
        names = (*operation.problems.get(status, ()), *ALWAYS.get(status, ()))
        type_ = c.NotPublished if operation.tag == "producers" else c.Problem
        made = {
            "description": ", ".join(PREFIX + name for name in names),
            "content": {PROBLEM: _body(type_)},
        }
        if status in (429, 503):
            made["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
        yield status, made


def _body(type_: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components((type_,), ref_template=_REF)
    return {"schema": schema}
