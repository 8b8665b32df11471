"""CloudEvents as records of `ingest`: what is missing filled in, in structured or binary mode."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from streams.cloudevents import JSON, is_json

SOURCE: Final = "/lockstep/send"
_encode = msgspec.json.encode


class BadInput(Exception):
    """What was given is no CloudEvent that can be sent."""


class Outgoing(NamedTuple):
    """A record to publish."""

    id: str
    account: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


def outgoing(attributes: Mapping[str, Any], binary: bool, fresh_id: str, now: str) -> Outgoing:
    """The record of an event in the JSON format. `fresh_id` and `now` (RFC 3339) fill in `id` and `time`.

    Only what a record cannot be without is asked for, so that lockstep's own refusals can be seen. Raises BadInput.
    """
    event = {"specversion": "1.0", "id": fresh_id, "source": SOURCE, "time": now, **attributes}
    account = event.get("subject")
    if not isinstance(account, str) or not account:
        raise BadInput("no subject: it names the account")
    value, headers = _binary(event) if binary else (_encode(event), [("content-type", b"application/cloudevents+json")])
    return Outgoing(str(event["id"]), account, account.encode(), value, headers)


def _binary(event: Mapping[str, Any]) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """Value and headers of the Kafka binding's binary mode."""
    attributes = {
        name: value for name, value in event.items() if name not in ("data", "data_base64", "datacontenttype")
    }
    headers = [(f"ce_{name}", _text(name, value)) for name, value in attributes.items()]
    value, content_type = _payload(event)
    return value, [*headers, ("content-type", content_type.encode())] if content_type else headers


def _text(name: str, value: Any) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, str | int):
        return str(value).encode()
    raise BadInput(f"{name}: an attribute is a text, a number or true or false")


def _payload(event: Mapping[str, Any]) -> tuple[bytes | None, str]:
    content_type = event.get("datacontenttype", "")
    if not isinstance(content_type, str):
        raise BadInput("datacontenttype: not a text")
    if "data_base64" in event:
        try:
            return base64.b64decode(event["data_base64"], validate=True), content_type
        except (TypeError, ValueError, binascii.Error) as error:
            raise BadInput(f"data_base64: {error}") from error
    if "data" not in event:
        return None, content_type
    data = event["data"]
    if isinstance(data, str) and content_type and not is_json(content_type):
        return data.encode(), content_type
    return _encode(data), content_type or JSON
