"""Items: notifications as a device sees them, pushed or pulled, encoded once for all devices up to the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from edge import cursor as cursors
from edge.cursor import Cursor
from sinks.content import open_object
from sinks.rows import Notification
from streams.targets import matches

_CURSOR: Final = b',"cursor":"'
#: Rows of other devices, or with their life over, are passed at most so many times the limit before a page ends.
_SCAN: Final = 8


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


class Recipient(NamedTuple):
    """What decides whether a device is meant."""

    device: str
    type_bit: int
    version: int

    def wants(self, row: Notification, now: int) -> bool:
        """Whether the row is for this device and its life is not over at `now` (ms)."""
        return row.expires > now and matches(row.target, self.device, self.type_bit, self.version)


def encode_prefix(content: Content, lane: str) -> bytes:
    """The JSON of an item up to the text of its cursor; ITEM_END closes it."""
    c = content
    return open_object(c.id, c.type, c.time, c.expires, lane, c.events, c.content_type, c.payload) + _CURSOR


#: Closes the JSON that `encode_prefix` began, after the cursor.
ITEM_END: Final = b'"}'


def encode_item(content: Content, lane: str, cursor: bytes) -> bytes:
    """An item as a JSON object."""
    return encode_prefix(content, lane) + cursor + ITEM_END


class Limits(NamedTuple):
    """What a page holds at most: items, and bytes of their JSON (a first item always fits)."""

    items: int
    size: int


class Filling:
    """A page while rows are put into it."""

    def __init__(self, recipient: Recipient, cursor: Cursor, lanes: Sequence[str], limits: Limits, now: int) -> None:
        self.items: list[bytes] = []
        self.positions = list(cursor.positions)
        self._recipient = recipient
        self._lanes = lanes
        self._limits = limits
        self._now = now
        self._places = cursors.encode_places(cursor.fingerprint, cursor.positions)
        self._as_of = cursors.encode_as_of(cursor.as_of, middle=True)
        self._size = 0
        self._scan = _SCAN * limits.items

    @property
    def room(self) -> int:
        """Items that still fit."""
        return self._limits.items - len(self.items)

    @property
    def full(self) -> bool:
        """Whether no more rows are looked at."""
        return self.room <= 0 or self._scan <= 0

    def take(self, rows: Sequence[Notification]) -> bool:
        """Take rows of one lane in their order; False at the first that does not fit."""
        for row in rows:
            if self.full:
                return False
            self._scan -= 1
            places = cursors.replace_position(self._places, row.lane, cursors.encode_position(row.seq))
            if self._recipient.wants(row, self._now):
                item = encode_item(row, self._lanes[row.lane], self._as_of + places)
                if self.items and self._size + len(item) > self._limits.size:
                    return False
                self.items.append(item)
                self._size += len(item)
            self._places = places
            self.positions[row.lane] = row.seq
        return True
