"""The stores that the edge reads and writes, as one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from edge.item import Recipient
from sinks.cassandra import CassandraUnavailable
from sinks.devices import Registry
from sinks.heads import Heads
from sinks.inbox import InboxReader
from sinks.presence import Lease, Presence
from sinks.redis import RedisUnavailable
from streams.targets import parse_version
from streams.topology import Topology

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


def type_bits(topology: Topology) -> Callable[[str], int]:
    """What gives the bit of a device type: 0 for one that only a newer release declares, as the registry's copy has
    it."""
    bits = {name: topology.type_bit(name) for name in topology.device_types}
    return lambda type_: bits.get(type_, 0)


async def read_recipient(
    registry: Registry, account: str, device: str, type_bit: Callable[[str], int]
) -> Recipient | None:
    """A device as the registry knows it now; None where it is not registered. Raises CassandraUnavailable."""
    found = await registry.get(account, device)
    if found is None:
        return None
    return Recipient(found.id, type_bit(found.type), parse_version(found.app_version))
