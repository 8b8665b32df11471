"""Revocations that other edges have taken: read now and then, and the connections of their accounts ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from edge.protocol import Session, Sessions
from edge.sockets import messages
from edge.sockets.connection import Connection
from sinks.cassandra import CassandraUnavailable
from sinks.revocations import Revocations

log = logging.getLogger(__name__)


class Revoking:
    """Ends what a revoked token has opened. A device with a newer token connects again."""

    def __init__(self, sessions: Sessions, revocations: Revocations, period: float) -> None:
        self._sessions = sessions
        self._revocations = revocations
        self._period = period

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._period)
            try:
                fresh = await self._revocations.refresh()
            except CassandraUnavailable as error:
                log.warning("revocations cannot be read, those of before stay: %s", error)
            else:
                self.end(fresh)

    def end(self, accounts: Collection[str]) -> int:
        """End the connections of these accounts; gives how many there were."""
        found = [session for session in self._sessions.all() if session.account in accounts] if accounts else []
        for session in found:
            self._end(session)
        return len(found)

    def _end(self, session: Session) -> None:
        if isinstance(session.link, Connection):
            session.link.shut(messages.BAD_TOKEN, "token was revoked")
        else:
            self._sessions.leave(session)
            session.link.resync()
