"""The content of a notification as JSON: what a device reads, whichever way it comes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from streams.cloudevents import is_json
from streams.envelope import Push

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_FIRST_MS: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_encode = msgspec.json.Encoder().encode


class _Head(msgspec.Struct, gc=False):
    """What stands before the data."""

    id: str
    type: str
    time: str
    expires: str
    lane: str
    events: Sequence[str]
    datacontenttype: str


@lru_cache(maxsize=256)
def timestamp(ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds; years outside 1 to 9999 become the nearest that can be written."""
    second, rest = divmod(min(max(ms, _FIRST_MS), _LAST_MS), 1000)
    return f"{_second(second)}.{rest:03}Z"


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    """Times of notifications lie close together."""
    return (_EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat()


def open_object(
    id_: bytes,
    type_: str,
    time: int,
    expires: int,
    lane: str,
    events: Sequence[str],
    content_type: str,
    payload: bytes,
) -> bytes:
    """The JSON object of a notification, its last brace left out so that a member may follow; times in ms."""
    head = _Head(id_.hex(), type_, timestamp(time), timestamp(expires), lane, events, content_type)
    return _encode(head)[:-1] + b"," + _data(content_type, payload)


#: Tells a device to pull; it carries nothing.
SYNC: Final = b'{"sync":true}'


def message(push: Push, lane: str, limit: int) -> bytes:
    """What a provider carries, a JSON object: the notification, or SYNC where that is wanted or fits alone.

    `limit` is in bytes.
    """
    if push.wake == "sync":
        return SYNC
    p = push
    whole = open_object(p.id, p.type, p.time, p.expires, lane, p.events, p.content_type, p.payload) + b"}"
    return whole if len(whole) <= limit else SYNC


def _data(content_type: str, payload: bytes) -> bytes:
    """A JSON payload goes in as it is (it was checked when the event was read), any other as base64."""
    if not payload:
        return b'"data":null'
    if is_json(content_type):
        return b'"data":' + payload
    return b'"data_base64":"' + base64.b64encode(payload) + b'"'
