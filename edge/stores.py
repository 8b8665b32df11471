"""The stores that the edge reads and writes, as one value."""

from __future__ import annotations

from typing import Final, NamedTuple

from sinks.cassandra import CassandraUnavailable
from sinks.devices import Registry
from sinks.heads import Heads
from sinks.inbox import InboxReader
from sinks.presence import Lease, Presence
from sinks.redis import RedisUnavailable

#: What a store raises while it cannot be reached.
STORE_ERRORS: Final = (RedisUnavailable, CassandraUnavailable)


class Stores(NamedTuple):
    """Opened by `edge.server`, for all parts of the edge."""

    registry: Registry
    inbox: InboxReader
    heads: Heads
    presence: Presence
    lease: Lease


async def read_heads(heads: Heads, account: str, lanes: int) -> tuple[int, ...]:
    """The heads of an account; all unknown (-1) while Redis is away, so that the inbox is read instead."""
    try:
        return await heads.read(account)
    except RedisUnavailable:
        return (-1,) * lanes
