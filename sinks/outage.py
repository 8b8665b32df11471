"""What `store` does about Redis: while it is away rows are held unacked; once it is back the process replays."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sinks.redis import Redis, RedisUnavailable
from streams.logtime import Progress
from streams.stage import Batch, Life

_LOOK_S: Final = 0.5
log = logging.getLogger(__name__)


class RedisIsBack(Exception):
    """Redis was away, or another life of it answers: what is not committed is read again, and its heads are raised."""


class Outage:
    """Knows the life of Redis in which this process has raised heads, and how far each partition is held."""

    def __init__(self, redis: Redis, fail: Callable[[BaseException], None]) -> None:
        """`fail` ends the process without a commit."""
        self._redis = redis
        self._fail = fail
        self._life = redis.run_id
        self._held: dict[int, tuple[Life, Progress]] = {}
        self._watch: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raise RedisIsBack unless Redis lives the life in which this process began. Calls made in the same turn of the
        loop go to the life that was checked."""
        self._life = self._life or self._redis.run_id
        if self._redis.run_id != self._life:
            raise RedisIsBack("another life of Redis, with other heads: replaying from the commit")

    def held(self, partition: int, life: Life) -> Progress | None:
        """How far a partition is in this life of it, where batches are held."""
        known, progress = self._held.get(partition, (None, None))
        return progress if known is life else None

    def hold(self, batch: Batch, cause: RedisUnavailable, probe: Callable[[], Awaitable[object]]) -> Progress:
        """The rows of a batch are written, and no more: nothing is acked from here on. Gives how far the partition is.

        `probe` is what Redis refused; Redis is back when it works.
        """
        log.error("Redis is away: rows are written, nothing is acked until it is back: %s", cause)
        progress = Progress(batch.records[0].offset, batch.watermark(), batch.clock)
        self._held[batch.partition] = batch.life, progress
        if self._watch is None:
            self._watch = asyncio.create_task(self._until_back(probe), name="redis-is-back")
        return progress

    def is_on(self) -> bool:
        """Whether anything is held, in whatever partition: then it is over only with the process."""
        return self._watch is not None

    async def _until_back(self, probe: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await probe()
            except RedisUnavailable:
                await asyncio.sleep(_LOOK_S)
            except Exception as error:  # RedisIsBack, or what nobody thought of
                self._fail(error)
                return
            else:
                self._fail(RedisIsBack("Redis is back: replaying what was stored without it"))
                return
