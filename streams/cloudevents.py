"""CloudEvents 1.0 over Kafka, binary and structured mode, read into an Event."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from streams.event import MAX_ACCOUNT_BYTES, MAX_DEVICE_IDS, MAX_ID, BadEvent, Event

JSON = "application/json"
STRUCTURED = b"application/cloudevents"


class Structured(msgspec.Struct, gc=False):
    """The JSON format of a CloudEvent; attributes that lockstep does not know are passed over."""

    specversion: str = ""
    id: str = ""
    source: str = ""
    type: str = ""
    subject: str = ""
    time: str = ""
    datacontenttype: str = ""
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str = ""
    expirytime: str = ""
    collapsekey: str = ""
    devicetypes: str = ""
    deviceids: str = ""
    origindevice: str = ""
    version: int | str = ""
    traceparent: str = ""


_structured = msgspec.json.Decoder(Structured).decode
_any_json = msgspec.json.Decoder(msgspec.Raw).decode
_REQUIRED = ("id", "source", "type", "time")


def decode(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Event:
    """The event of one record of `ingest`. Raises BadEvent, and nothing else, whatever the bytes are."""
    try:
        parts = _read(value, headers)
        event = _event(parts)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent("undecodable", str(error) or type(error).__name__) from error
    if key != event.account.encode():
        shown = "none" if key is None else repr(key[:64])
        raise BadEvent("key-mismatch", f"record key {shown}, subject {event.account!r}")
    return event


def _read(value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Structured:
    attributes: dict[str, str] = {}
    content_type = b""
    for name, raw in headers:
        if name.startswith("ce_"):
            attributes[name[3:].lower()] = raw.decode()
        elif name.lower() == "content-type":
            content_type = raw or b""
    if content_type.lower().startswith(STRUCTURED):
        if not value:
            raise BadEvent("null-value", "a structured event without a value")
        return _structured(value)
    if not attributes:
        raise BadEvent(
            "null-value" if value is None else "undecodable", "neither ce_ headers nor a cloudevents content type"
        )
    known: dict[str, Any] = {name: text for name, text in attributes.items() if name in Structured.__struct_fields__}
    known.pop("data", None)
    known["datacontenttype"] = content_type.decode()
    parts = Structured(**known)  # all of them are text, and so are all the fields but data
    parts.data = msgspec.Raw(value or b"")
    return parts


def _event(parts: Structured) -> Event:
    if parts.specversion != "1.0":
        raise BadEvent("bad-attribute", f"specversion {parts.specversion!r}, expected '1.0'")
    if not parts.subject:
        raise BadEvent("no-account", "no subject")
    for name in _REQUIRED:
        if not getattr(parts, name):
            raise BadEvent("bad-attribute", f"no {name}")
    if len(parts.id) > MAX_ID or len(parts.source) > MAX_ID or len(parts.type) > MAX_ID:
        raise BadEvent("bad-attribute", f"id, source or type longer than {MAX_ID} characters")
    content_type, payload = _payload(parts)
    return Event(
        account=_account(parts.subject),
        source=parts.source,
        id=parts.id,
        type=parts.type,
        time=_time("time", parts.time),
        content_type=content_type,
        payload=payload,
        expires=_time("expirytime", parts.expirytime) if parts.expirytime else None,
        collapse_key=_short("collapsekey", parts.collapsekey),
        device_types=_names("devicetypes", parts.devicetypes),
        device_ids=_names("deviceids", parts.deviceids),
        origin=_short("origindevice", parts.origindevice),
        revision=_revision(parts.version),
        trace=parts.traceparent[:64],
    )


def _payload(parts: Structured) -> tuple[str, bytes]:
    if parts.data_base64:
        try:
            payload = base64.b64decode(parts.data_base64, validate=True)
        except binascii.Error as error:
            raise BadEvent("undecodable", f"data_base64: {error}") from error
    else:
        payload = bytes(parts.data)
    if not payload:
        return parts.datacontenttype, b""
    content_type = parts.datacontenttype or JSON
    if is_json(content_type):
        payload.decode()  # a JSON text goes into frames as it is, so it must be UTF-8 and well formed
        _any_json(payload)
    return content_type, payload


def is_json(content_type: str) -> bool:
    """Whether a payload of this type is a JSON text."""
    media = content_type.partition(";")[0].strip().lower()
    return media == JSON or media.endswith("+json")


def _account(subject: str) -> str:
    if len(subject.encode()) > MAX_ACCOUNT_BYTES:
        raise BadEvent("bad-attribute", f"subject longer than {MAX_ACCOUNT_BYTES} bytes")
    if not subject.isprintable() or "{" in subject or "}" in subject:
        raise BadEvent("bad-attribute", "subject with control characters or braces")
    return subject


def _time(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise BadEvent("bad-attribute", f"{name} {text[:64]!r}: {error}") from error


def _short(name: str, text: str) -> str:
    if len(text) > MAX_ID:
        raise BadEvent("bad-attribute", f"{name} longer than {MAX_ID} characters")
    return text


def _names(name: str, text: str) -> tuple[str, ...]:
    if not text:
        return ()
    names = tuple(part.strip() for part in text.split(","))
    if len(names) > MAX_DEVICE_IDS or not all(names):
        raise BadEvent("bad-attribute", f"{name} is not a list of 1 to {MAX_DEVICE_IDS} names")
    return names


def _revision(version: int | str) -> int:
    if version == "":
        return -1
    try:
        number = int(version)
    except ValueError as error:
        raise BadEvent("bad-attribute", f"version {str(version)[:64]!r} is not a number") from error
    if not 0 <= number < 1 << 63:
        raise BadEvent("bad-attribute", f"version {number} is out of range")
    return number
