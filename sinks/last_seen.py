"""When devices last spoke to an edge: noted in memory, written to Cassandra once an hour for each.

A row is written as of when the device spoke, less the time in which all edges hear of a revocation: that of an account
that was erased meanwhile stays deleted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from sinks.cassandra import Cassandra, CassandraUnavailable

#: A device that was noted so short a time ago (s) is not written again.
EVERY_S: Final = 3600
#: Devices whose last writing is remembered, and most that wait to be written.
REMEMBERED: Final = 100_000
_FLUSH_S: Final = 1.0
_AT_ONCE: Final = 64
_PUT: Final = "INSERT INTO last_seen (account, id, at) VALUES (?, ?, ?) USING TIMESTAMP ?"
_LIST: Final = "SELECT id, at FROM last_seen WHERE account = ?"
Key = tuple[str, str]
log = logging.getLogger(__name__)


class LastSeen:
    """Called in the loop's thread only. Times in s since 1970."""

    def __init__(
        self, cassandra: Cassandra, put: Any, listed: Any, clock: Callable[[], float], heard: float = 0.0
    ) -> None:
        """`heard`: all edges have heard of a revocation after so long (s), by any of their clocks."""
        self._execute = cassandra.execute
        self._put = put
        self._list = listed
        self._clock = clock
        self._heard = heard
        self._noted: OrderedDict[Key, float] = OrderedDict()
        self._waiting: dict[Key, int] = {}

    @classmethod
    async def open(cls, cassandra: Cassandra, clock: Callable[[], float], heard: float = 0.0) -> LastSeen:
        """With its statements prepared. Raises CassandraUnavailable."""
        return cls(cassandra, await cassandra.prepare(_PUT), await cassandra.prepare(_LIST), clock, heard)

    def note(self, account: str, device: str) -> None:
        """The device speaks now."""
        key, now = (account, device), self._clock()
        before = self._noted.get(key)
        if (before is not None and now - before < EVERY_S) or len(self._waiting) >= REMEMBERED:
            return
        self._noted[key] = now
        self._noted.move_to_end(key)
        if len(self._noted) > REMEMBERED:
            self._noted.popitem(last=False)
        self._waiting[key] = int(now)

    def forget(self, account: str) -> None:
        """What waits of an account is not written."""
        for key in [key for key in self._waiting if key[0] == account]:
            del self._waiting[key]

    async def read(self, account: str) -> dict[str, int]:
        """Device -> when it was last seen, of the last 90 days. Raises CassandraUnavailable."""
        found = {device: int(at) for device, at in await self._execute(self._list, (account,))}
        waiting = {device: at for (owner, device), at in self._waiting.items() if owner == account}
        return found | waiting

    async def flush(self) -> None:
        """Write what waits. Raises CassandraUnavailable, and keeps what is not written."""
        while self._waiting:
            part = list(islice(self._waiting.items(), _AT_ONCE))
            writes = (self._execute(self._put, (*key, at, self._as_of(at))) for key, at in part)
            results = await asyncio.gather(*writes, return_exceptions=True)
            away = None
            for (key, at), result in zip(part, results, strict=True):
                if isinstance(result, CassandraUnavailable):
                    away = result
                    continue
                if isinstance(result, BaseException):  # it would fail again, before all others
                    log.error("when a device was seen cannot be written", exc_info=result)
                if self._waiting.get(key) == at:
                    del self._waiting[key]
            if away is not None:
                raise away

    def _as_of(self, at: int) -> int:
        """The time of a write, us: before that of a deletion after which the device could still speak."""
        return int((at - self._heard) * 1_000_000)

    async def run(self) -> None:
        """Write for as long as the edge runs, and once more at its end."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_S)
                await self._try()
        finally:
            await self._try()

    async def _try(self) -> None:
        try:
            await self.flush()
        except CassandraUnavailable as error:
            log.warning("when devices were seen is not written, trying again: %s", error)
