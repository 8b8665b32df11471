"""Records of `ingest`, good and bad, by name: what the decoder is tabled with and the seeds it is fuzzed from."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from streams.event import MAX_ACCOUNT_BYTES, MAX_DEVICE_IDS, MAX_ID
from streams.outcomes import Reason

ACCOUNT = "account-0000123456"
KEY = ACCOUNT.encode()
ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "0190a5b2-7c3e-7d10-9f6a-000000000001",
    "source": "/services/profiles",
    "type": "member.profile.maturity-changed",
    "subject": ACCOUNT,
    "time": "2027-01-15T08:00:00.123Z",
    "datacontenttype": "application/json",
}
DATA = {"profile": "p-1", "maturity": "teen", "note": "für dich"}


class Raw(NamedTuple):
    """Key, value and headers, as a Kafka client gives them."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class Bad(NamedTuple):
    """A record that must be refused, for this reason, with this in the detail."""

    record: Raw
    reason: Reason
    detail: str


def structured(attributes: dict[str, Any] | None = None, *, key: bytes | None = KEY, **changes: Any) -> Raw:
    """A record in structured mode; `changes` replace attributes or `data`, `...` leaves one out."""
    whole = {**ATTRIBUTES, "data": DATA, **(attributes or {}), **changes}
    value = json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()
    return Raw(key, value, [("content-type", b"application/cloudevents+json; charset=UTF-8")])


def binary(value: bytes | None = json.dumps(DATA).encode(), *, key: bytes | None = KEY, **changes: Any) -> Raw:
    """A record in binary mode; `changes` replace attributes, given as text or bytes, `...` leaves one out."""
    headers: list[tuple[str, bytes | None]] = []
    for name, text in {**ATTRIBUTES, **changes}.items():
        if text is not ...:
            header = "content-type" if name == "datacontenttype" else f"ce_{name}"
            headers.append((header, text.encode() if isinstance(text, str) else text))
    return Raw(key, value, headers)


def _spliced(text: bytes) -> Raw:
    """A structured record with more JSON members at its end."""
    record = structured()
    return record._replace(value=(record.value or b"")[:-1] + b"," + text + b"}")


GOOD: dict[str, Raw] = {
    "structured": structured(),
    "binary": binary(),
    "no data": structured(data=...),
    "no value": binary(None),
    "base64": structured(data=..., data_base64="eyJhIjoxfQ=="),
    "text": structured(datacontenttype="text/plain", data="hello"),
    "every extension": structured(
        expirytime="2027-01-16T08:00:00+02:00", collapsekey="k", devicetypes="tv, phone", deviceids="d-1,d-2",
        origindevice="d-3", version=7, traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    "header names in capitals": binary(time=..., datacontenttype=...)._replace(
        headers=[(n.title(), v) for n, v in binary().headers]
    ),
}  # fmt: skip

_LONG = "x" * (MAX_ID + 1)
BAD: dict[str, Bad] = {
    "undecodable bytes": Bad(Raw(KEY, b"\xff\xfe\x00", structured().headers), "undecodable", "JSON is malformed"),
    "cut short": Bad(structured()._replace(value=(structured().value or b"")[:-9]), "undecodable", "truncated"),
    "no object": Bad(Raw(KEY, b"[1]", structured().headers), "undecodable", "Expected `object`, got `array`"),
    "a number for an id": Bad(structured(id=5), "undecodable", "$.id"),
    "null value, structured": Bad(Raw(KEY, None, structured().headers), "null-value", "without a value"),
    "empty value, structured": Bad(Raw(KEY, b"", structured().headers), "null-value", "without a value"),
    "tombstone": Bad(Raw(KEY, None, []), "null-value", "neither ce_ headers"),
    "empty headers": Bad(Raw(KEY, b"{}", []), "undecodable", "neither ce_ headers"),
    "plain JSON": Bad(Raw(KEY, b"{}", [("content-type", b"application/json")]), "undecodable", "neither ce_ headers"),
    "unknown header alone": Bad(Raw(KEY, b"{}", [("x", b"1")]), "undecodable", "neither ce_ headers"),
    "header value None": Bad(binary(id=None), "bad-attribute", "no id"),
    "empty header value": Bad(binary(time=b""), "bad-attribute", "no time"),
    "invalid UTF-8 in a header": Bad(binary(id=b"\xff"), "undecodable", "utf-8"),
    "invalid UTF-8 in the content type": Bad(binary(datacontenttype=b"\xff"), "undecodable", "utf-8"),
    "invalid UTF-8 in the payload": Bad(binary(b'"\xff"'), "undecodable", "utf-8"),
    "invalid UTF-8 in data": Bad(_spliced(b'"data":"\xff"'), "undecodable", "utf-8"),
    "invalid UTF-8 in an attribute": Bad(_spliced(b'"id":"\xff"'), "undecodable", "utf-8"),
    "half a surrogate pair": Bad(_spliced(rb'"subject":"\ud800abcdef"'), "undecodable", "surrogate"),
    "payload is no JSON": Bad(binary(b"{"), "undecodable", "truncated"),
    "payload is two JSON texts": Bad(binary(b"1 2"), "undecodable", "trailing characters"),
    "object where the type is text": Bad(structured(datacontenttype="text/plain"), "undecodable", "Expected `str"),
    "bad base64": Bad(structured(data=..., data_base64="a b"), "undecodable", "base64"),
    "base64 with letters of no alphabet": Bad(structured(data=..., data_base64="ä"), "undecodable", "base64"),
    "deep nesting": Bad(_spliced(b'"x":' + b"[" * 50_000 + b"]" * 50_000), "undecodable", "recursion"),
    "deep nesting, binary": Bad(binary(b"[" * 50_000 + b"]" * 50_000), "undecodable", "recursion"),
    "wrong specversion": Bad(structured(specversion="0.3"), "bad-attribute", "specversion '0.3'"),
    "no specversion": Bad(binary(specversion=...), "bad-attribute", "specversion ''"),
    "missing account": Bad(structured(subject=...), "no-account", "no subject"),
    "null account": Bad(structured(subject=None), "no-account", "no subject"),
    "empty account": Bad(binary(subject=""), "no-account", "no subject"),
    "missing several": Bad(structured(id=..., type="", source=None), "bad-attribute", "no id, source, type"),
    "missing time": Bad(structured(time=...), "bad-attribute", "no time"),
    "oversize id": Bad(structured(id=_LONG), "bad-attribute", "id, source or type longer"),
    "oversize source": Bad(binary(source=_LONG), "bad-attribute", "id, source or type longer"),
    "oversize type": Bad(binary(type=_LONG), "bad-attribute", "id, source or type longer"),
    "oversize account": Bad(structured(subject="ä" * (MAX_ACCOUNT_BYTES // 2 + 1)), "bad-attribute", "subject longer"),
    "oversize collapsekey": Bad(structured(collapsekey=_LONG), "bad-attribute", "collapsekey longer"),
    "oversize origin": Bad(binary(origindevice=_LONG), "bad-attribute", "origindevice longer"),
    "oversize content type": Bad(binary(datacontenttype=_LONG), "bad-attribute", "datacontenttype longer"),
    "control character in the account": Bad(binary(subject="a\x00"), "bad-attribute", "control characters"),
    "brace in the account": Bad(binary(subject="a}b"), "bad-attribute", "braces"),
    "other brace in the account": Bad(binary(subject="a{b"), "bad-attribute", "braces"),
    "no key": Bad(structured(key=None), "key-mismatch", "record key none"),
    "another key": Bad(binary(key=b"someone-else"), "key-mismatch", "b'someone-else'"),
    "naive time": Bad(structured(time="2027-01-15T08:00:00"), "bad-attribute", "no time zone"),
    "no time at all": Bad(structured(time="yesterday"), "bad-attribute", "time 'yesterday'"),
    "a long time": Bad(structured(time="\x7f" * 5_000), "bad-attribute", "Invalid isoformat string"),
    "month 13": Bad(binary(expirytime="2027-13-15T08:00:00Z"), "bad-attribute", "expirytime '2027-13-"),
    "a year of five digits": Bad(binary(time="10000-01-01T00:00:00Z"), "bad-attribute", "time '10000-"),
    "empty name in a list": Bad(structured(devicetypes="tv,,phone"), "bad-attribute", "devicetypes is not a list"),
    "too many devices": Bad(
        structured(deviceids=",".join("d" * (MAX_DEVICE_IDS + 1))), "bad-attribute", "deviceids is not a list"
    ),
    "version is a word": Bad(structured(version="latest"), "bad-attribute", "version 'latest' is not a number"),
    "version in other digits": Bad(binary(version="\uff11\uff12"), "bad-attribute", "is not a number"),
    "version with an underscore": Bad(binary(version="1_0"), "bad-attribute", "is not a number"),
    "negative version": Bad(structured(version=-1), "bad-attribute", "out of range"),
    "version of 64 bits": Bad(structured(version=1 << 63), "bad-attribute", "out of range"),
    "huge version": Bad(structured(version=10**80), "bad-attribute", "out of range"),
    "huger version": Bad(_spliced(b'"version":' + b"9" * 5_000), "undecodable", "out of range"),
    "huge version in text": Bad(binary(version="9" * 5_000), "bad-attribute", "is not a number"),
}
