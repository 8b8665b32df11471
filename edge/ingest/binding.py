"""CloudEvents over HTTP as records of `ingest`: binary, structured and batched mode."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

import msgspec

from streams.cloudevents import decode
from streams.event import BadEvent, Event

Mode = Literal["binary", "structured", "batch"]
Headers = list[tuple[str, bytes]]
_STRUCTURED: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_PREFIX: Final = "ce-"
_NAME: Final = re.compile(r"[a-z0-9]{1,64}")
_QUOTED: Final = re.compile(r"\\(.)")
_UTF8: Final = frozenset(("", "utf-8", "utf8"))


class UnknownFormat(Exception):
    """A content type in which no events are taken; the message may be told."""


class BadBatch(Exception):
    """A body that is no JSON array; the message may be told."""


class _Named(msgspec.Struct):
    """What names an event that may be unreadable otherwise."""

    subject: str | None = None
    id: str | None = None
    source: str | None = None


class Incoming(NamedTuple):
    """A record to publish, and the event that it holds, or why it holds none. `id` and `source`: as far as known."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    event: Event | BadEvent
    id: str = ""
    source: str = ""

    @property
    def size(self) -> int:
        """Bytes of value and headers, as the router counts them."""
        return len(self.value or b"") + sum(len(name) + len(value) for name, value in self.headers)


_named = msgspec.json.Decoder(_Named).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def mode_of(content_type: str, names: Iterable[str]) -> Mode:
    """How a request with this content type and these header names carries events. Raises UnknownFormat."""
    media, _, parameters = content_type.lower().partition(";")
    media = media.strip()
    if media.startswith("application/cloudevents"):
        if media not in (_STRUCTURED, _BATCH) or _charset(parameters) not in _UTF8:
            raise UnknownFormat(
                f"{content_type[:128]!r}; taken are {_STRUCTURED} and {_BATCH} in UTF-8, or ce- headers"
            )
        return "batch" if media == _BATCH else "structured"
    if not any(name.lower().startswith(_PREFIX) for name in names):
        raise UnknownFormat(f"neither ce- headers nor {_STRUCTURED} or {_BATCH}")
    return "binary"


def _charset(parameters: str) -> str:
    pairs = (parameter.partition("=") for parameter in parameters.split(";"))
    return next((value.strip().strip('"') for name, _, value in pairs if name.strip() == "charset"), "")


def split(body: bytes) -> list[bytes]:
    """The events of a batch. Raises BadBatch."""
    try:
        return [bytes(each) for each in _array(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBatch(f"not a JSON array: {error}") from error


def structured(body: bytes) -> Incoming:
    """An event in the JSON format, passed on as it is."""
    headers: Headers = [("content-type", _STRUCTURED.encode())]
    try:
        named = _named(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Incoming(None, body, headers, BadEvent("undecodable", str(error) or type(error).__name__))
    key = named.subject.encode() if named.subject else None
    return Incoming(key, body, headers, _event(key, body, headers), named.id or "", named.source or "")


def binary(content_type: str, headers: Sequence[tuple[str, str]], body: bytes) -> Incoming:
    """An event whose attributes are `ce-` headers, as the Kafka binding's binary mode has it."""
    value = body or None
    try:
        attributes = _attributes(headers)
    except BadEvent as bad:
        return Incoming(None, value, [], bad)
    subject = attributes.get("subject")
    key = subject.encode() if subject else None
    out: Headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
    if content_type:
        out.append(("content-type", content_type.encode(errors="surrogateescape")))  # its bytes as they came
    return Incoming(key, value, out, _event(key, value, out), attributes.get("id", ""), attributes.get("source", ""))


def _attributes(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Attributes by name. Raises BadEvent."""
    attributes: dict[str, str] = {}
    for header, value in headers:
        lower = header.lower()
        if not lower.startswith(_PREFIX):
            continue
        name = lower.removeprefix(_PREFIX)
        if not _NAME.fullmatch(name):
            raise BadEvent("bad-attribute", f"header {header[:64]!r}: no name of an attribute")
        if name in attributes:
            raise BadEvent("bad-attribute", f"header {header!r} comes twice")
        attributes[name] = _text(header, value)
    return attributes


def _text(header: str, value: str) -> str:
    """A value out of its quotes, then out of its percent signs. Raises BadEvent."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _QUOTED.sub(r"\1", value[1:-1])
    try:
        text = unquote(value, errors="strict")
        text.encode()
    except UnicodeError as error:
        raise BadEvent("bad-attribute", f"header {header!r} is not UTF-8") from error
    return text


def _event(key: bytes | None, value: bytes | None, headers: Headers) -> Event | BadEvent:
    try:
        return decode(key, value, headers)
    except BadEvent as bad:
        return bad
