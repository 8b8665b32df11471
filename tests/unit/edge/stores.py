"""Stand-ins for the stores of the edge: in memory, away when told so, with hooks at what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sinks.cassandra import CassandraUnavailable
from sinks.devices import Device
from sinks.redis import RedisUnavailable
from sinks.rows import Notification


@dataclass
class FakeInbox:
    """Rows in memory; `failures` reads fail first; `hook` is called before each read."""

    rows: list[Notification] = field(default_factory=list)
    failures: int = 0
    reads: list[tuple[int, int, int | None]] = field(default_factory=list)
    counted: int = 0
    hook: Any = None

    async def count(self, account: str, lane: int, after: int, most: int) -> int:
        """As the real reader does."""
        self.counted += 1
        return len([r for r in self.rows if r.lane == lane and r.seq > after][:most])

    async def read(
        self, account: str, lane: int, after: int, upto: int | None, limit: int, acked: int = -1
    ) -> list[Notification]:
        """As the real reader does."""
        await asyncio.sleep(0)
        self.reads.append((lane, after, upto))
        if self.hook is not None:
            self.hook()
        if self.failures:
            self.failures -= 1
            raise CassandraUnavailable("away")
        found = [r for r in self.rows if r.lane == lane and r.seq > after and (upto is None or r.seq <= upto)]
        return sorted(found, key=lambda r: r.seq)[:limit]


@dataclass
class FakeHeads:
    """Heads in memory; away while `away`."""

    heads: tuple[int, ...] = (-1, -1, -1, -1)
    away: bool = False
    life: bytes = b""
    filled: list[tuple[int, bytes, dict[int, int]]] = field(default_factory=list)

    def settled(self) -> bytes:
        """The life of Redis."""
        return self.life

    async def fill(self, account: str, device: str, epoch: int, run_id: bytes, ends: Mapping[int, int]) -> bool:
        """Remember."""
        await self.read(account)
        self.filled.append((epoch, run_id, dict(ends)))
        return True

    async def read(self, account: str) -> tuple[int, ...]:
        """As the real ones do."""
        await asyncio.sleep(0)
        if self.away:
            raise RedisUnavailable("away")
        return self.heads


@dataclass
class FakeRegistry:
    """One device."""

    device: Device | None = field(default_factory=lambda: Device("tv", "tv", "1.0"))
    away: bool = False

    async def get(self, account: str, device: str) -> Device | None:
        """As the real one does."""
        await asyncio.sleep(0)
        if self.away:
            raise CassandraUnavailable("away")
        return self.device


@dataclass
class FakePresence:
    """Epochs; `hook` is called while a registration is on its way; 0 is given where a newer one stands."""

    registered: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    newer: bool = False
    hook: Any = None

    async def register(
        self, account: str, device: str, gateway: int, incarnation: int, type_bit: int, epoch: int = -1
    ) -> int:
        """As the real one does."""
        await asyncio.sleep(0)
        if self.hook is not None:
            self.hook()
        self.registered.append(epoch)
        return 0 if self.newer else max(epoch, 100)

    async def remove(self, account: str, device: str, epoch: int) -> bool:
        """As the real one does."""
        self.removed.append(epoch)
        return True
