"""Seals tokens that are kept in clear, or with an older key, as they would be kept now."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, NamedTuple

from sinks.cassandra import Cassandra
from sinks.devices import Registry
from sinks.seal import Seal, Sealed

_ALL: Final = "SELECT account, id, push_token, WRITETIME(push_token) FROM devices"
_SET: Final = "UPDATE devices USING TIMESTAMP ? SET push_token = ? WHERE account = ? AND id = ?"
_PAGE: Final = 500
log = logging.getLogger(__name__)


class Resealed(NamedTuple):
    """How many tokens there are, how many were sealed anew, and how many no key here opens."""

    tokens: int = 0
    sealed: int = 0
    closed: int = 0


async def reseal(disk: Cassandra, registry: Registry, seal: Seal) -> Resealed:
    """Go through all devices. Raises CassandraUnavailable and RedisUnavailable: then do it again.

    A write is just younger than the one that was read: a registration meanwhile wins, whichever comes first.
    """
    done = Resealed()
    statement = await disk.prepare(_SET)
    async for rows in disk.pages(_ALL, _PAGE):
        kept = [row for row in rows if row[2]]
        found = await asyncio.gather(*(_one(disk, statement, registry, seal, row) for row in kept))
        closed = found.count(None)
        done = Resealed(done.tokens + len(kept), done.sealed + found.count(True), done.closed + closed)
    return done


async def _one(disk: Cassandra, statement: Any, registry: Registry, seal: Seal, row: Any) -> bool | None:
    """Whether the token of a device was sealed anew; None where it cannot be opened."""
    account, device, kept, written = row
    if seal.is_current(kept):
        return False
    try:
        token = seal.open(account, device, kept.encode()).decode()
    except Sealed as error:
        log.error("device %s of account %s: %s", device, account, error)
        return None
    await registry.drop_copy(account)
    await disk.execute(statement, (written + 1, seal.seal(account, device, token), account, device))
    await registry.drop_copy(account)
    return True
