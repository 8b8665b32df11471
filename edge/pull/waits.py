"""Long polls: a device that waits is present like one with a socket, and a push for it ends the wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge.auth.identity import Identity
from edge.cursor import Cursor
from edge.protocol import Session, Sessions, State
from edge.sockets.connection import give_way
from edge.stores import STORE_ERRORS, Stores

log = logging.getLogger(__name__)


class Wait:
    """The link of a session without a connection: whatever would be sent wakes it; its inbox is read then."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def write(self, data: bytes, count: int = 1) -> None:
        """A push."""
        self.woken.set()

    def resync(self) -> None:
        """A push was missed, presence was lost, or another connection of the device has come."""
        self.woken.set()


class Waits:
    """The long polls of this process."""

    def __init__(self, sessions: Sessions, stores: Stores, most: int) -> None:
        self._sessions = sessions
        self._stores = stores
        self._most = most
        self._open: set[Wait] = set()
        self.draining = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether no more can wait: they are answered at once."""
        return self.draining or len(self._open) >= self._most

    @asynccontextmanager
    async def open(self, identity: Identity, cursor: Cursor) -> AsyncIterator[WaitingSession]:
        """A session for the block. It replaces any connection that the device has here or elsewhere."""
        wait = Wait()
        session, replaced = self._sessions.open(identity, cursor, wait)
        if replaced is not None:
            give_way(replaced)
        self._open.add(wait)
        try:
            yield WaitingSession(session, wait, self._stores)
        finally:
            self._open.discard(wait)
            self._sessions.leave(session)
            await self._unregister(session)

    async def _unregister(self, session: Session) -> None:
        if session.epoch > 0:
            try:
                await self._stores.presence.remove(session.account, session.device, session.epoch)
            except STORE_ERRORS as error:
                log.warning("a presence was not removed, it ends by itself: %s", error)

    def drain(self) -> None:
        """This process ends: nobody waits any longer."""
        self.draining = True
        for wait in self._open:
            wait.woken.set()


class WaitingSession:
    """One long poll. The order of steps is that of a socket: register, read heads, read the inbox, then wait."""

    def __init__(self, session: Session, wait: Wait, stores: Stores) -> None:
        self._session = session
        self._wait = wait
        self._stores = stores

    async def register(self, type_bit: int) -> bool:
        """Begin a round: presence is written, pushes from now on are noticed. False where the session is over.

        Raises RedisUnavailable.
        """
        session, lease = self._session, self._stores.lease
        session.begin_round()
        self._wait.woken.clear()
        if session.is_gone():
            return False
        session.epoch = await self._stores.presence.register(
            session.account, session.device, lease.number, lease.incarnation, type_bit, session.epoch
        )
        return session.epoch > 0 and not session.is_gone()

    async def wait(self, positions: tuple[int, ...], seconds: float) -> bool:
        """Wait until something is there above `positions`, which the round has read; False when the time is over."""
        session = self._session
        for lane, position in enumerate(positions):
            session.move(lane, position)
        if session.is_gone() or session.is_behind():
            return True
        session.state = State.LIVE
        try:
            async with asyncio.timeout(seconds):
                await self._wait.woken.wait()
        except TimeoutError:
            return False
        finally:
            if not session.is_gone():
                session.state = State.SYNC
        return True
