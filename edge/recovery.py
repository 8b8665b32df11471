"""Writes presence again after it was lost: Redis came back without its memory, or the gateway's own lease lapsed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from edge.protocol import Session, Sessions
from sinks.presence import Lease
from sinks.redis import Redis

_LOOK_S: Final = 0.5
#: Sessions that are recovered a second: each costs a few reads of Redis and of the inbox.
RATE: Final = 1000
_STEP: Final = 50
log = logging.getLogger(__name__)


class Recovery:
    """Watches the run id of Redis and the lease."""

    def __init__(
        self,
        sessions: Sessions,
        redis: Redis,
        lease: Lease,
        recover: Callable[[Session], Coroutine[Any, Any, None]],
    ) -> None:
        self._sessions = sessions
        self._redis = redis
        self._lease = lease
        self._recover = recover
        self._seen = self._now()
        self.recovered = 0

    async def run(self) -> None:
        """Recover all sessions of the moment, paced, each time something was lost."""
        while True:
            await asyncio.sleep(_LOOK_S)
            now = self._now()
            if now != self._seen:
                log.warning("presence of %d sessions was lost, writing it again", len(self._sessions))
                self._seen = now
                await self._all()

    def _now(self) -> tuple[bytes, int]:
        return self._redis.run_id, self._lease.lapsed

    async def _all(self) -> None:
        sessions = self._sessions.all()
        for at in range(0, len(sessions), _STEP):
            part = [session for session in sessions[at : at + _STEP] if session.epoch > 0 and not session.is_gone()]
            await asyncio.gather(*(self._recover(session) for session in part))
            self.recovered += len(part)
            await asyncio.sleep(_STEP / RATE)
