"""One page of a pull: which lanes are read, what fits, and where the cursor stands afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from edge import cursor as cursors
from edge.backlog import Recipient
from edge.cursor import Cursor
from edge.item import encode_item
from sinks.inbox import InboxReader
from sinks.rows import Notification

#: Rows of other devices, or with their life over, are passed at most so many times the limit before a page ends.
_SCAN: Final = 8
_LEAST_READ: Final = 16


class Limits(NamedTuple):
    """What a page holds at most: items, and bytes of their JSON (a first item always fits)."""

    items: int
    size: int


class Page(NamedTuple):
    """Items as JSON, higher lanes first, each with the cursor that stands behind it; and whether there is more."""

    items: list[bytes]
    positions: tuple[int, ...]
    more: bool


class PageReader:
    """Fills one page from the inbox of an account."""

    def __init__(self, inbox: InboxReader, account: str, recipient: Recipient, lanes: Sequence[str]) -> None:
        self._inbox = inbox
        self._account = account
        self._recipient = recipient
        self._lanes = lanes

    async def read(self, cursor: Cursor, heads: Sequence[int], limits: Limits, now: int) -> Page:
        """The page above `cursor` at `now` (ms). `heads` were read before; -1 = unknown: read to where rows end."""
        page = _Filling(self._recipient, cursor, self._lanes, limits, now)
        for lane, head in enumerate(heads):
            if 0 <= head <= page.positions[lane]:
                continue
            if page.full or not await self._lane(page, lane, head if head >= 0 else None):
                return Page(page.items, tuple(page.positions), more=True)
            page.positions[lane] = max(page.positions[lane], head)
        return Page(page.items, tuple(page.positions), more=False)

    async def _lane(self, page: _Filling, lane: int, upto: int | None) -> bool:
        """Whether the lane was read to its end."""
        while not page.full:
            wanted = max(_LEAST_READ, page.room)
            rows = await self._inbox.read(self._account, lane, page.positions[lane], upto, wanted)
            if not page.take(rows):
                return False
            if len(rows) < wanted:
                return True
        return upto is not None and page.positions[lane] >= upto


class _Filling:
    """A page while rows are put into it."""

    def __init__(self, recipient: Recipient, cursor: Cursor, lanes: Sequence[str], limits: Limits, now: int) -> None:
        self.items: list[bytes] = []
        self.positions = list(cursor.positions)
        self._recipient = recipient
        self._lanes = lanes
        self._limits = limits
        self._now = now
        self._places = cursors.encode_places(cursor.fingerprint, cursor.positions)
        self._as_of = cursors.encode_as_of(cursor.as_of)
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
