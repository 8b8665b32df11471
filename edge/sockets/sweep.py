"""Compares the positions of live sessions with the heads now and then, and syncs those that are behind (rule 8)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final

from edge.protocol import Session, Sessions, State
from sinks.heads import Heads
from sinks.redis import Redis, RedisUnavailable

#: Accounts whose heads are read a second, and in one trip.
RATE: Final = 1000
_STEP: Final = 50
#: A push may be on its way when its head is read: who is behind is looked at again after so long, s.
_GRACE_S: Final = 5.0
_SPREAD: Final = 0.2
_random = random.SystemRandom()
log = logging.getLogger(__name__)


class Sweep:
    """Finds the pushes that were lost where no later push of the lane told of them."""

    def __init__(
        self, sessions: Sessions, heads: Heads, redis: Redis, sync: Callable[[Session], None], period: float
    ) -> None:
        """`sync` has a session read its inbox; `period` is in seconds."""
        self._sessions = sessions
        self._heads = heads
        self._redis = redis
        self._sync = sync
        self._period = period

    async def run(self) -> None:
        """Sweep all sessions of the moment, period after period."""
        while True:
            await asyncio.sleep(self._period * _random.uniform(1 - _SPREAD, 1 + _SPREAD))
            try:
                await self.once()
            except RedisUnavailable as error:
                log.warning("the sweep was given up: %s", error)

    async def once(self) -> None:
        """One sweep. Raises RedisUnavailable."""
        run_id = self._redis.run_id
        sessions = [session for session in self._sessions.all() if session.state is State.LIVE]
        behind: list[tuple[Session, tuple[int, ...]]] = []
        for at in range(0, len(sessions), _STEP):
            part = sessions[at : at + _STEP]
            heads = await asyncio.gather(*(self._heads.read(session.account) for session in part))
            behind += [pair for pair in zip(part, heads, strict=True) if _must_sync(*pair, run_id)]
            await asyncio.sleep(_STEP / RATE)
        if behind:
            await asyncio.sleep(_GRACE_S)
        for number, (session, own) in enumerate(behind):
            if session.state is State.LIVE and _must_sync(session, own, run_id):
                session.swept = run_id
                self._sessions.counts.swept += 1
                self._sync(session)
            if number % _STEP == _STEP - 1:
                await asyncio.sleep(_STEP / RATE)


def _must_sync(session: Session, heads: Sequence[int], run_id: bytes) -> bool:
    """Whether a head is above the session, or unknown for the first time in this life of Redis: a `store` that still
    talked to the former life when the session was registered again raised its heads there."""
    return session.is_below(heads) or (min(heads) < 0 and session.swept != run_id)
