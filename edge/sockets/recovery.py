"""Writes presence again after it was lost: Redis came back without its memory, or the gateway's own lease lapsed."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from edge.protocol import Session, Sessions
from edge.stores import STORE_ERRORS
from sinks.presence import Lease
from sinks.redis import Redis

_LOOK_S: Final = 0.5
_RETRY_S: Final = 1.0
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
        waiting = deque(self._sessions.all())
        while waiting:
            part = [waiting.popleft() for _ in range(min(_STEP, len(waiting)))]
            failed = await asyncio.gather(*map(self._one, part))
            waiting.extend(session for session, again in zip(part, failed, strict=True) if again)
            await asyncio.sleep(_STEP / RATE if not any(failed) else _RETRY_S)

    async def _one(self, session: Session) -> bool:
        """Whether a store was away, so that it has to be tried again."""
        if session.is_gone() or session.epoch <= 0:  # over, or about to write its presence for the first time
            return False
        try:
            await self._recover(session)
        except STORE_ERRORS as error:
            log.warning("presence was not written, trying again: %s", error)
            return True
        self.recovered += 1
        return False
