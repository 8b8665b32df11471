"""Stand-ins for stores and connections that only remember; rows and notes to put into them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge import messages
from edge.identity import Identity
from edge.protocol import Session, Sessions, State
from sinks.cassandra import CassandraUnavailable
from sinks.devices import Device
from sinks.redis import RedisUnavailable
from sinks.rows import Notification
from sinks.wire import Note
from streams.targets import EVERY, Predicate

LANES = ("critical", "high", "normal", "low")
NOW = 1_800_000_000
LATER = (NOW + 3600) * 1000
ME = Identity("tv", "alice", "tv", NOW + 3600.0)


def texts(data: bytes) -> list[dict[str, Any]]:
    """The messages in the frames that a server wrote."""
    found = []
    while data:
        size, at = data[1], 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        if data[0] == 0x81:
            found.append(json.loads(data[at : at + size]))
        data = data[at + size :]
    return found


@dataclass(eq=False)
class FakeLink:
    """The connection of a session."""

    sessions: Sessions | None = None
    session: Session | None = None
    data: bytes = b""
    writes: int = 0
    resyncs: int = 0
    paused: bool = False
    pause_after: int = 1 << 30
    drains: int = 0
    closed: list[messages.Closing] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        """Remember; slow once enough was written, as a transport is."""
        self.data += data
        self.writes += 1
        if not self.paused and len(self.data) > self.pause_after:
            self.paused = True
            if self.sessions is not None and self.session is not None:
                self.sessions.slow(self.session)

    def resync(self) -> None:
        """Count."""
        self.resyncs += 1

    async def drained(self) -> None:
        """The device reads at once."""
        await asyncio.sleep(0)
        if self.paused:
            self.drains += 1
            self.pause_after += len(self.data)
            self.paused = False

    def shut(self, why: messages.Closing, detail: str) -> None:
        """Close."""
        self.closed.append(why)
        if self.session is not None:
            self.session.state = State.GONE

    def items(self) -> list[int]:
        """The positions of the items that were written, in order."""
        return [int(each["item"]["data"]) for each in texts(self.data) if each["type"] == "notification"]

    def types(self) -> list[str]:
        """The types of all messages."""
        return [each["type"] for each in texts(self.data)]


def note(
    lane: int,
    prev: int,
    seq: int,
    *targets: str,
    others: tuple[str, ...] = (),
    expires: int = LATER,
    account: str = "alice",
) -> Note:
    """A push whose payload is its position."""
    payload = b"%d" % seq
    return Note(
        b"\0" * 16, account, "t", lane, seq, prev, 0, expires, ("e",), "application/json", payload, targets, others
    )


def row(lane: int, seq: int, target: Predicate = EVERY, expires: int = LATER, size: int = 0) -> Notification:
    """A row whose payload is its position, and spaces."""
    payload = b"%d" % seq + b" " * size
    return Notification(seq, lane, b"\0" * 16, "t", 0, expires, 0, "/s", ("e",), "application/json", payload, target)


@dataclass
class FakeInbox:
    """Rows in memory; `failures` reads fail first; `hook` is called before each read."""

    rows: list[Notification] = field(default_factory=list)
    failures: int = 0
    reads: list[tuple[int, int, int | None]] = field(default_factory=list)
    hook: Any = None

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


@dataclass
class FakeLease:
    """A lease that is held."""

    number: int = 3
    incarnation: int = 7
