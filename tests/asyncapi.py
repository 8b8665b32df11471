"""docs/asyncapi.json as a judge of messages: frames of a socket, headers and payloads of records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jsonschema_rs import Draft7Validator

from tests.unit.fakes import ROOT

DOCUMENT: Final[dict[str, Any]] = json.loads((ROOT / "docs" / "asyncapi.json").read_text())
MESSAGES: Final[dict[str, dict[str, Any]]] = DOCUMENT["components"]["messages"]
SCHEMAS: Final[dict[str, dict[str, Any]]] = DOCUMENT["components"]["schemas"]


def _validator(schema: Mapping[str, Any]) -> Draft7Validator:
    whole = {"components": DOCUMENT["components"], "allOf": [schema]}
    return Draft7Validator(whole, validate_formats=True, offline=True)


_PAYLOADS: Final = {name: _validator(message["payload"]) for name, message in MESSAGES.items()}
_HEADERS: Final = {name: _validator(message["headers"]) for name, message in MESSAGES.items() if "headers" in message}


def check_payload(name: str, payload: Any) -> None:
    """Raise ValidationError unless a message of this name may have the payload."""
    _PAYLOADS[name].validate(payload)


def check_headers(name: str, headers: Sequence[tuple[str, bytes]]) -> None:
    """Raise ValidationError unless a message of this name may have the headers."""
    _HEADERS[name].validate({header: value.decode() for header, value in headers})


def check_frame(frame: Mapping[str, Any]) -> str:
    """The name of a message of the socket that is as the document says, without a member more."""
    name = str(frame["type"])
    check_payload(name, frame)
    schema = SCHEMAS[MESSAGES[name]["payload"]["$ref"].rpartition("/")[2]]
    assert set(frame) <= set(schema["properties"])
    assert set(frame.get("item", ())) <= set(SCHEMAS["Item"]["properties"])
    return name
