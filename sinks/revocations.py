"""Revoked accounts: a moment each, at or before which their tokens were issued in vain; all of them in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from sinks.cassandra import Cassandra

_DAY_S: Final = 86_400
#: Clocks of those who write may differ by so much, and a write may take so long, s.
_OVERLAP_S: Final = 300
_PUT: Final = "INSERT INTO revocations (day, at, account) VALUES (?, ?, ?) USING TTL ?"
_READ: Final = "SELECT at, account FROM revocations WHERE day = ? AND at >= ?"


class Revocations:
    """Every edge holds all that are younger than `longest` (s), the longest life of a token: no check asks a store."""

    def __init__(self, cassandra: Cassandra, put: Any, read: Any, longest: float, clock: Callable[[], float]) -> None:
        self._execute = cassandra.execute
        self._put = put
        self._read = read
        self._longest = int(longest) + _DAY_S
        self._clock = clock
        self._from = 0  # what is older was read
        self._revoked: dict[str, int] = {}

    @classmethod
    async def open(cls, cassandra: Cassandra, longest: float, clock: Callable[[], float]) -> Revocations:
        """With all of them read. Raises CassandraUnavailable."""
        put, read = await cassandra.prepare(_PUT), await cassandra.prepare(_READ)
        made = cls(cassandra, put, read, longest, clock)
        await made.refresh()
        return made

    def __len__(self) -> int:
        return len(self._revoked)

    def since(self, account: str) -> int:
        """Tokens issued at or before this moment (s) are revoked; -1 where none are."""
        return self._revoked.get(account, -1)

    async def revoke(self, account: str) -> int:
        """Revoke all tokens of an account that are issued by now; gives the moment, s. Raises CassandraUnavailable."""
        at = int(self._clock())
        await self._execute(self._put, (at // _DAY_S, at, account, self._longest))
        self._take(account, at)
        return at

    async def refresh(self) -> set[str]:
        """Read what was revoked elsewhere; gives the accounts that are new or newer. Raises CassandraUnavailable."""
        now = int(self._clock())
        start = max(self._from, now - self._longest)
        days = range(start // _DAY_S, now // _DAY_S + 2)  # one more: the clock of a writer may be ahead
        parts = await asyncio.gather(*(self._execute(self._read, (day, start)) for day in days))
        fresh = {account for rows in parts for at, account in rows if self._take(account, int(at))}
        self._from = now - _OVERLAP_S
        self._forget(now - self._longest)
        return fresh

    def _take(self, account: str, at: int) -> bool:
        if at <= self._revoked.get(account, -1):
            return False
        self._revoked[account] = at
        return True

    def _forget(self, before: int) -> None:
        """Those whose tokens have all ended."""
        if any(at < before for at in self._revoked.values()):
            self._revoked = {account: at for account, at in self._revoked.items() if at >= before}
