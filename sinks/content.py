"""The content of a notification as JSON: what a device reads, whichever way it comes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol

import msgspec

from streams.cloudevents import is_json
from streams.envelope import Push

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_FIRST_MS: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_text = msgspec.json.Encoder().encode


class Content(Protocol):
    """What an item is made of: a row of the inbox or a note of a push. Times are ms since 1970."""

    @property
    def id(self) -> bytes: ...
    @property
    def lane(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def time(self) -> int: ...
    @property
    def expires(self) -> int: ...
    @property
    def events(self) -> Sequence[str]: ...
    @property
    def content_type(self) -> str: ...
    @property
    def payload(self) -> bytes: ...


def timestamp(ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds; years outside 1 to 9999 become the nearest that can be written."""
    second, rest = divmod(min(max(ms, _FIRST_MS), _LAST_MS), 1000)
    return f"{_second(second)}.{rest:03}Z"


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    """Times of notifications lie close together."""
    return (_EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat()


def open_object(content: Content, lane: str) -> bytes:
    """The JSON object of a notification but for its last brace, so that a member may follow."""
    return b'{"id":"%b","type":%b,"time":"%b","expires":"%b","lane":%b,"events":%b,"datacontenttype":%b,%b' % (
        content.id.hex().encode(),
        _text(content.type),
        timestamp(content.time).encode(),
        timestamp(content.expires).encode(),
        _text(lane),
        _text(content.events),
        _text(content.content_type),
        _data(content.content_type, content.payload),
    )


#: Tells a device to pull; it carries nothing.
SYNC: Final = b'{"sync":true}'


def message(push: Push, lane: str, limit: int) -> bytes:
    """What a provider carries, a JSON object: the notification, or SYNC where that is wanted or fits alone.

    `limit` is in bytes.
    """
    if push.wake == "sync":
        return SYNC
    whole = open_object(push, lane) + b"}"
    return whole if len(whole) <= limit else SYNC


def _data(content_type: str, payload: bytes) -> bytes:
    """A JSON payload goes in as it is (it was checked when the event was read), any other as base64."""
    if not payload:
        return b'"data":null'
    if is_json(content_type):
        return b'"data":' + payload
    return b'"data_base64":"' + base64.b64encode(payload) + b'"'
