"""One page of a pull: which lanes are read, what fits, and where the cursor stands afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from edge.cursor import Cursor
from edge.item import Filling, Limits, Recipient
from sinks.inbox import InboxReader

_LEAST_READ: Final = 16


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

    async def read(self, cursor: Cursor, heads: Sequence[int], limits: Limits, now: int, *, full: bool = False) -> Page:
        """The page above `cursor` at `now` (ms). `heads` were read before; -1 = unknown: read to where rows end.

        `full`: all lanes are read to where rows end, whatever the heads say.
        """
        page = Filling(self._recipient, cursor, self._lanes, limits, now)
        for lane, head in enumerate(heads):
            if 0 <= head <= page.positions[lane] and not full:
                continue
            upto = None if full or head < 0 else head
            if page.full or not await self._lane(page, lane, upto, head):
                return Page(page.items, tuple(page.positions), more=True)
            page.positions[lane] = max(page.positions[lane], head)
        return Page(page.items, tuple(page.positions), more=False)

    async def _lane(self, page: Filling, lane: int, upto: int | None, acked: int) -> bool:
        """Whether the lane was read to its end; rows up to `acked` were there before."""
        while not page.full:
            wanted = max(_LEAST_READ, page.room)
            rows = await self._inbox.read(self._account, lane, page.positions[lane], upto, wanted, acked)
            if not page.take(rows):
                return False
            if len(rows) < wanted:
                return True
        return upto is not None and page.positions[lane] >= upto
