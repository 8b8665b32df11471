"""CloudEvents 1.0 over Kafka, binary and structured mode, read into an Event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from streams.event import MAX_ACCOUNT_BYTES, MAX_DEVICE_IDS, MAX_ID, BadEvent, Event

JSON: Final = "application/json"
STRUCTURED: Final = "application/cloudevents"


class Structured(msgspec.Struct, gc=False):
    """The JSON format of a CloudEvent; null means unset, attributes that lockstep does not know are passed over."""

    specversion: str | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: bytes | None = None
    expirytime: str | None = None
    collapsekey: str | None = None
    devicetypes: str | None = None
    deviceids: str | None = None
    origindevice: str | None = None
    version: int | str | None = None
    traceparent: str | None = None


#: Header of a structured event as nearly all come.
_PLAIN: Final = ("content-type", b"application/cloudevents+json")

_structured = msgspec.json.Decoder(Structured).decode
_any_json = msgspec.json.Decoder(msgspec.Raw).decode
_text = msgspec.json.Decoder(str | None).decode
_ATTRIBUTES: Final = frozenset(Structured.__struct_fields__) - {"data", "data_base64", "datacontenttype"}
#: Field of Structured for each Kafka header that lockstep reads.
_HEADERS: Final = {"content-type": "datacontenttype"} | {f"ce_{name}": name for name in _ATTRIBUTES}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def decode(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> Event:
    """The event of one record of `ingest`. Raises BadEvent, and nothing else, whatever the bytes are."""
    try:
        if len(headers) == 1 and headers[0] == _PLAIN and value:
            return _structured_event(key, value)
        return _event(key, *_read(value, headers))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent("undecodable", str(error) or type(error).__name__) from error


def _structured_event(key: bytes | None, value: bytes) -> Event:
    """An event in structured mode."""
    parts = _structured(value)
    if parts.data_base64 or not is_json(parts.datacontenttype or JSON):
        return _event(key, parts, _structured_payload(parts))
    payload = bytes(parts.data)  # read as JSON just now, though not as UTF-8
    return _event(key, parts, payload, payload.isascii())


def _read(value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> tuple[Structured, bytes]:
    """Attributes and payload. A header without a value is an attribute that is not set."""
    attributes: dict[str, Any] = {}
    for name, raw in headers:
        field = _HEADERS.get(name) or _HEADERS.get(name.lower())
        if field and raw:
            attributes[field] = raw.decode()
    content_type: str = attributes.pop("datacontenttype", "")
    if content_type.lower().startswith(STRUCTURED):
        if not value:
            raise BadEvent("null-value", "a structured event without a value")
        parts = _structured(value)
        return parts, _structured_payload(parts)
    if not attributes:
        raise BadEvent(
            "null-value" if value is None else "undecodable", "neither ce_ headers nor a cloudevents content type"
        )
    return Structured(datacontenttype=content_type, **attributes), value or b""


def _structured_payload(parts: Structured) -> bytes:
    """`data_base64` as it was before; `data` as its JSON text or, where the type is not JSON, the text it holds."""
    data = parts.data_base64 or bytes(parts.data)
    if parts.data_base64 or not data or is_json(parts.datacontenttype or JSON):
        return data
    return (_text(data) or "").encode()


def _event(key: bytes | None, parts: Structured, payload: bytes, json: bool = False) -> Event:
    """`json`: the payload is known to be a JSON text in UTF-8."""
    id_, source, type_, time, subject = parts.id, parts.source, parts.type, parts.time, parts.subject
    if parts.specversion != "1.0":
        raise BadEvent("bad-attribute", f"specversion {(parts.specversion or '')[:64]!r}, expected '1.0'")
    if not subject:
        raise BadEvent("no-account", "no subject")
    if not (id_ and source and type_ and time):
        missing = [name for name in ("id", "source", "type", "time") if not getattr(parts, name)]
        raise BadEvent("bad-attribute", f"no {', '.join(missing)}")
    if len(id_) > MAX_ID or len(source) > MAX_ID or len(type_) > MAX_ID:
        raise BadEvent("bad-attribute", f"id, source or type longer than {MAX_ID} characters")
    encoded = subject.encode()
    if (
        key != encoded
        or len(encoded) > MAX_ACCOUNT_BYTES
        or not subject.isprintable()
        or "{" in subject
        or "}" in subject
    ):
        raise _bad_account(key, subject)
    return Event(  # in the order of its fields, which is faster than by name; most of these are not set
        subject,
        source,
        id_,
        type_,
        _time("time", time),
        _content_type(parts.datacontenttype, payload, json),
        payload,
        _time("expirytime", parts.expirytime) if parts.expirytime else None,
        _short("collapsekey", parts.collapsekey) if parts.collapsekey else "",
        _names("devicetypes", parts.devicetypes) if parts.devicetypes else (),
        _names("deviceids", parts.deviceids) if parts.deviceids else (),
        _short("origindevice", parts.origindevice) if parts.origindevice else "",
        _revision(parts.version) if parts.version is not None else -1,
        parts.traceparent[:64] if parts.traceparent else "",
    )


def _content_type(declared: str | None, payload: bytes, json: bool) -> str:
    """The payload's type, JSON where none is declared. A JSON payload must be UTF-8 and well formed: frames hold it."""
    if json and payload and declared == JSON:
        return JSON
    content_type = _short("datacontenttype", declared)
    if not payload:
        return content_type
    content_type = content_type or JSON
    if not json and is_json(content_type):
        payload.decode()
        _any_json(payload)
    return content_type


def is_json(content_type: str) -> bool:
    """Whether a payload of this type is a JSON text."""
    if content_type == JSON:
        return True
    media = content_type.partition(";")[0].strip().lower()
    return media.endswith(("/json", "+json"))


def _bad_account(key: bytes | None, subject: str) -> BadEvent:
    if len(subject.encode()) > MAX_ACCOUNT_BYTES:
        return BadEvent("bad-attribute", f"subject longer than {MAX_ACCOUNT_BYTES} bytes")
    if not subject.isprintable() or "{" in subject or "}" in subject:
        return BadEvent("bad-attribute", "subject with control characters or braces")
    shown = "none" if key is None else repr(key[:64])
    return BadEvent("key-mismatch", f"record key {shown}, subject {subject!r}")


def _time(name: str, text: str) -> int:
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MILLISECOND
    except TypeError as error:
        raise BadEvent("bad-attribute", f"{name} {text[:64]!r}: no time zone") from error
    except ValueError as error:
        why = str(error)[:64]  # which holds the text again
        raise BadEvent("bad-attribute", f"{name} {text[:64]!r}: {why}") from error


def _short(name: str, text: str | None) -> str:
    if not text:
        return ""
    if len(text) > MAX_ID:
        raise BadEvent("bad-attribute", f"{name} longer than {MAX_ID} characters")
    return text


def _names(name: str, text: str) -> tuple[str, ...]:
    names = tuple([part.strip() for part in text.split(",")])
    if len(names) > MAX_DEVICE_IDS or not all(names):
        raise BadEvent("bad-attribute", f"{name} is not a list of 1 to {MAX_DEVICE_IDS} names")
    return names


def _revision(version: int | str) -> int:
    if version == "":
        return -1
    if isinstance(version, str) and not (version.isascii() and version.isdigit() and len(version) < 20):
        raise BadEvent("bad-attribute", f"version {version[:64]!r} is not a number")
    number = int(version)
    if not 0 <= number < 1 << 63:
        raise BadEvent("bad-attribute", f"version {number} is out of range")
    return number
