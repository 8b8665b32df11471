"""An item: one notification as a device sees it, pushed or pulled, encoded once for all devices up to its cursor."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import msgspec

from streams.cloudevents import is_json

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
    moment = _EPOCH + timedelta(milliseconds=min(max(ms, _FIRST_MS), _LAST_MS))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode_prefix(content: Content, lane: str) -> bytes:
    """The JSON of an item up to the text of its cursor; ITEM_END closes it."""
    return (
        b'{"id":"%b","type":%b,"time":"%b","expires":"%b","lane":%b,"events":%b,"datacontenttype":%b,%b,"cursor":"'
        % (
            content.id.hex().encode(),
            _text(content.type),
            timestamp(content.time).encode(),
            timestamp(content.expires).encode(),
            _text(lane),
            _text(content.events),
            _text(content.content_type),
            _data(content.content_type, content.payload),
        )
    )


#: Closes the JSON that `encode_prefix` began, after the cursor.
ITEM_END: Final = b'"}'


def encode_item(content: Content, lane: str, cursor: bytes) -> bytes:
    """An item as a JSON object."""
    return encode_prefix(content, lane) + cursor + ITEM_END


def _data(content_type: str, payload: bytes) -> bytes:
    """A JSON payload goes in as it is (it was checked when the event was read), any other as base64."""
    if not payload:
        return b'"data":null'
    if is_json(content_type):
        return b'"data":' + payload
    return b'"data_base64":"' + base64.b64encode(payload) + b'"'
