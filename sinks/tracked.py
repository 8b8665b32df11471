"""Heads that Redis need not be asked for again: it tells when one that was read has changed (client-side caching).

Only for those who may as well have asked a moment earlier. Who wrote presence before must ask Redis: see `sinks.heads`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from sinks.heads import Asked, Heads
from sinks.redis import Redis, reconnecting
from streams.client_metrics import ClientMetrics
from streams.settings import Settings

#: Accounts whose heads are kept: some 40 MB.
MOST: Final = 100_000
#: Longest time between two looks at whether the connection lives, s. A dead one tells of no change.
_CHECK_S: Final = 1.0
_BEFORE, _BEHIND = len(b"h:{"), len(b"}")


class Kept:
    """Heads that were read and have not changed since. All of it is called in the loop's thread."""

    def __init__(self, most: int = MOST) -> None:
        """`most`: accounts; those asked for the longest ago give way."""
        self._most = most
        self._heads: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._asked: dict[str, Asked] = {}  # the newest question of each, until something changed

    def __len__(self) -> int:
        return len(self._heads)

    def get(self, account: str) -> tuple[int, ...] | None:
        """The heads, where they are known."""
        return self._heads.get(account)

    def expect(self, account: str, asked: Asked) -> None:
        """Keep this answer, unless the heads have changed by the time it is there."""
        self._asked[account] = asked
        asked.add_done_callback(partial(self._keep, account))

    def changed(self, keys: Sequence[bytes] | None) -> None:
        """These keys have changed, or any may have (None): also those in answers that are here and not yet kept."""
        if keys is None:
            self._heads.clear()
            self._asked.clear()
            return
        for key in keys:
            account = key[_BEFORE:-_BEHIND].decode()
            self._heads.pop(account, None)
            self._asked.pop(account, None)

    def _keep(self, account: str, asked: Asked) -> None:
        if self._asked.get(account) is not asked:
            return
        del self._asked[account]
        if asked.cancelled() or asked.exception() is not None:
            return
        self._heads[account] = asked.result()
        if len(self._heads) > self._most:
            self._heads.popitem(last=False)


class TrackedHeads:
    """Heads of accounts, on a connection that Redis tracks."""

    def __init__(self, redis: Redis, heads: Heads, kept: Kept) -> None:
        self._redis = redis
        self._heads = heads
        self._kept = kept

    def known(self, account: str) -> tuple[int, ...] | None:
        """The head of each lane, -1 where unknown, as Redis would say it now; None: it has to be asked."""
        return self._kept.get(account)

    def ask(self, account: str) -> Asked:
        """`Heads.ask`, whose answer is known from then on."""
        asked = self._heads.ask(account)
        if self._redis.tracks:
            self._kept.expect(account, asked)
        return asked

    async def watch(self, period: float) -> None:
        """Look every `period` s whether the connection lives, until cancelled."""
        while True:
            await asyncio.sleep(period)
            await self._redis.check()


@asynccontextmanager
async def track(settings: Settings, watch: ClientMetrics, lanes: int, gap: float) -> AsyncIterator[TrackedHeads]:
    """Heads on a connection of their own, which counts in `watch`; `gap` as of `Heads`. Raises LoginError.

    A connection that dies in silence is dropped after two time-outs at most, when `store` begins to write rows without
    Redis. Where Redis does not track, it is asked each time.
    """
    kept = Kept()
    async with reconnecting(settings, watch=watch, changed=kept.changed) as redis:
        heads = TrackedHeads(redis, Heads(redis, lanes, gap), kept)
        watching = asyncio.create_task(heads.watch(min(_CHECK_S, settings.redis.timeout)))
        try:
            yield heads
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
