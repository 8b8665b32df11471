"""Brings a session from its cursor to live: presence, heads, inbox, then the end of the sync (DESIGN rules 7 and 8)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from edge import cursor as cursors
from edge.item import Recipient
from edge.protocol import Link, Session, Sessions, State, backlog_frame
from edge.sockets import messages
from edge.sockets.terms import Terms
from edge.stores import STORE_ERRORS, Stores, read_heads, read_recipient
from sinks.redis import RedisUnavailable
from sinks.rows import Notification

#: Rows a read of the inbox asks for, and bytes put into one write.
PAGE: Final = 64
_WRITE_BYTES: Final = 16 * 1024
#: Reads of the inbox in flight; a herd of devices waits here and not in Cassandra.
_READS: Final = 64
_RETRY_S: Final = (1.0, 5.0)
_random = random.SystemRandom()
log = logging.getLogger(__name__)


class Reader(Link, Protocol):
    """The connection of a session, while the session reads what it missed."""

    @property
    def paused(self) -> bool:
        """Whether the device does not keep up with what was written."""

    async def drained(self) -> None:
        """Wait until the device has read, or is gone."""

    def shut(self, why: messages.Closing, detail: str) -> None:
        """Tell the device why, and close."""


class Backlog:
    """Reads what sessions missed. One task for each session that is in SYNC, none for a live one."""

    def __init__(
        self,
        sessions: Sessions,
        stores: Stores,
        type_bit: Callable[[str], int],
        clock: Callable[[], float],
        seen: Callable[[str, str], None] = lambda account, device: None,
    ) -> None:
        """`seen` is told of each device that said a good hello."""
        self._sessions = sessions
        self._stores = stores
        self._type_bit = type_bit
        self._clock = clock
        self._seen = seen
        self._reads = asyncio.Semaphore(_READS)

    async def greet(self, session: Session, link: Reader, terms: Terms) -> None:
        """After a good hello: presence, `welcome` with the terms, then all lanes whatever the heads say.

        An unreachable store closes the connection: without presence the device would wait for nothing.
        """
        try:
            recipient = await self.register(session, link)
        except STORE_ERRORS:
            link.shut(messages.UNAVAILABLE, "a store cannot be reached; connect again later")
            return
        if recipient is not None:
            self._seen(session.account, session.device)
            link.write(messages.frame(messages.Welcome(self._name(session), *terms)))
            await self.read(session, link, recipient)

    async def register(self, session: Session, link: Reader) -> Recipient | None:
        """Write the presence of a session; None where its connection is closed, now or already. Raises STORE_ERRORS.

        A session that was registered before keeps its epoch, and gives way to a newer connection elsewhere.
        """
        recipient = await self._recipient(session, link)
        if recipient is None:
            return None
        lease = self._stores.lease
        session.epoch = await self._stores.presence.register(
            session.account, session.device, lease.number, lease.incarnation, recipient.type_bit, session.epoch
        )
        if session.is_gone():  # closed while its presence was on the way
            await self.unregister(session)
            return None
        if not session.epoch:
            link.shut(messages.REPLACED, "the device is connected elsewhere")
            return None
        return recipient

    async def unregister(self, session: Session) -> None:
        """Remove the presence of this connection; that of a successor has another epoch and stays."""
        if session.epoch > 0:
            await self._stores.presence.remove(session.account, session.device, session.epoch)

    async def leave(self, session: Session) -> None:
        """Remove the presence of a session that has ended, if Redis is there."""
        try:
            await self.unregister(session)
        except STORE_ERRORS as error:
            log.warning("a presence was not removed, it ends by itself: %s", error)

    async def read(self, session: Session, link: Reader, greeted: Recipient | None = None) -> None:
        """Send what the session missed, round after round until no push was refused meanwhile; then it is live.

        `greeted`: the first round after a hello, which reads all lanes whatever the heads say.
        """
        self._sessions.counts.syncs += 1
        session.as_of = session.as_of or int(self._clock())
        if greeted is None and not session.is_gone():
            link.write(messages.frame(messages.Sync(_cursor(session))))
        while not session.is_gone():
            session.begin_round()
            try:
                await self._round(session, link, greeted)
            except STORE_ERRORS as error:
                # positions stand where the reading stopped; the connection stays, so that no herd returns
                log.warning("the inbox of a session cannot be read, trying again: %s", error)
                await asyncio.sleep(_random.uniform(*_RETRY_S))
                continue
            greeted = None
            await link.drained()
            if session.state is State.SYNC and not session.is_behind():
                session.state = State.LIVE  # before the write, which may find the device slow and turn it back
                session.as_of = int(self._clock())
                link.write(messages.frame(messages.SyncEnd(_cursor(session))))
                return

    async def _round(self, session: Session, link: Reader, greeted: Recipient | None) -> None:
        recipient = greeted or await self._recipient(session, link)
        if recipient is None:
            return
        life = self._stores.heads.settled()
        heads = await read_heads(self._stores.heads, session.account, len(session.positions))
        ends: dict[int, int] = {}
        for lane, head in enumerate(heads):
            if greeted or head < 0 or head > session.positions[lane]:
                start = session.positions[lane]
                await self._lane(session, link, recipient, lane, head, full=greeted is not None or head < 0)
                if session.is_gone():
                    return
                if head < 0 and (session.positions[lane] > start or not start):
                    ends[lane] = session.positions[lane]  # of a row, or of no row at all; never what a device claims
                session.move(lane, head)  # the rows may have ended before it: their lives are over
        if life and ends and not session.again:
            await self._fill(session, life, ends)

    async def _fill(self, session: Session, life: bytes, ends: dict[int, int]) -> None:
        """Lanes that never had an event have no head: without one no poll is answered 304, no first push delivered."""
        with suppress(RedisUnavailable):
            await self._stores.heads.fill(session.account, session.device, session.epoch, life, ends)

    async def _lane(
        self, session: Session, link: Reader, recipient: Recipient, lane: int, head: int, *, full: bool
    ) -> None:
        """All rows of a lane above the position, up to the head unless in full."""
        upto = None if full else head
        while not session.is_gone():
            async with self._reads:
                rows = await self._stores.inbox.read(session.account, lane, session.positions[lane], upto, PAGE, head)
            if session.is_gone() or self._send(session, link, recipient, rows) == len(rows) < PAGE:
                return
            del rows  # what a slow device has not taken is read again
            await link.drained()

    def _send(self, session: Session, link: Reader, recipient: Recipient, rows: Sequence[Notification]) -> int:
        """Write frames until the device is slow; gives the number of rows that the position has passed."""
        out: list[bytes] = []
        size = 0
        as_of = cursors.encode_as_of(session.as_of, middle=True)  # what is not read yet may be as old
        now = int(self._clock() * 1000)
        for number, row in enumerate(rows, 1):
            session.move(row.lane, row.seq)
            if recipient.wants(row, now):
                out.append(backlog_frame(session, row, self._sessions.lanes, as_of))
                size += len(out[-1])
                self._sessions.counts.backlog += 1
            if size >= _WRITE_BYTES or number == len(rows):
                link.write(b"".join(out), len(out))
                out, size = [], 0
                if link.paused:
                    return number
        return len(rows)

    async def _recipient(self, session: Session, link: Reader) -> Recipient | None:
        """The device as the registry knows it now; None if the session is over, as that of an unknown device is."""
        found = await read_recipient(self._stores.registry, session.account, session.device, self._type_bit)
        if session.is_gone():
            return None
        if found is None:
            link.shut(messages.UNKNOWN_DEVICE, "this device is not registered")
        return found

    def _name(self, session: Session) -> str:
        lease = self._stores.lease
        return f"{lease.number}-{lease.incarnation}-{session.epoch:x}"


def _cursor(session: Session) -> str:
    return (cursors.encode_as_of(session.as_of) + session.places).decode()
