"""Erases all that the stores hold of an account, then reads each place again: what is found there is the proof."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sinks.cassandra import Cassandra
from sinks.devices import Registry
from sinks.redis import Redis, command, usable

_COUNTED: Final = 10_000
_TABLES: Final = ("devices", "last_seen")
_TEXTS: Final = {
    "count devices": "SELECT id FROM devices WHERE account = ?",
    "erase devices": "DELETE FROM devices WHERE account = ?",
    "count last_seen": "SELECT id FROM last_seen WHERE account = ?",
    "erase last_seen": "DELETE FROM last_seen WHERE account = ?",
    "count inbox": "SELECT seq FROM inbox WHERE account = ? AND lane = ? LIMIT ?",
    "erase inbox": "DELETE FROM inbox WHERE account = ? AND lane = ?",
}


class Holdings(msgspec.Struct, frozen=True):
    """What is held of an account: rows of Cassandra, the inbox counted up to 10,000 a lane, and keys of Redis."""

    devices: int
    last_seen: int
    inbox: int
    presence: int
    heads: int
    copies: int

    def is_empty(self) -> bool:
        """Whether nothing is held."""
        return not any(msgspec.structs.astuple(self))


class Erasure:
    """Counts and erases. Methods raise RedisUnavailable and CassandraUnavailable: then do it again."""

    def __init__(
        self, cassandra: Cassandra, redis: Redis, registry: Registry, lanes: int, statements: dict[str, Any]
    ) -> None:
        self._execute = cassandra.execute
        self._registry = registry
        self._redis = redis
        self._lanes = lanes
        self._statements = statements

    @classmethod
    async def open(cls, cassandra: Cassandra, redis: Redis, registry: Registry, lanes: int) -> Erasure:
        """With its statements prepared. Raises CassandraUnavailable."""
        statements = {name: await cassandra.prepare(text) for name, text in _TEXTS.items()}
        return cls(cassandra, redis, registry, lanes, statements)

    async def holdings(self, account: str) -> Holdings:
        """What is held now."""
        counts = {table: len(await self._run(f"count {table}", account)) for table in _TABLES}
        rows = [len(await self._run("count inbox", account, lane, _COUNTED)) for lane in range(self._lanes)]
        keys = [usable(reply) for reply in await self._redis.call(*(command(b"EXISTS", key) for key in _keys(account)))]
        presence, heads, *copies = keys
        return Holdings(**counts, inbox=sum(rows), presence=presence, heads=heads, copies=sum(copies))

    async def erase(self, account: str) -> None:
        """Erase. Devices go first: nothing is pushed to them any more, nor read by them."""
        await self._registry.drop_copy(account)
        for table in _TABLES:
            await self._run(f"erase {table}", account)
        await self._registry.drop_copy(account)
        for reply in await self._redis.call(*(command(b"DEL", key) for key in _keys(account))):
            usable(reply)
        for lane in range(self._lanes):
            await self._run("erase inbox", account, lane)

    async def _run(self, name: str, *values: Any) -> list[Any]:
        return await self._execute(self._statements[name], values)


def _keys(account: str) -> list[bytes]:
    """Presence, heads, the copy of the devices."""
    return [kind + b":{%b}" % account.encode() for kind in (b"p", b"h", b"d")]
