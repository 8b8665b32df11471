"""Stand-ins for connections that only remember; rows and notes to put into them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from edge.auth.identity import Identity
from edge.protocol import Session, Sessions, State
from edge.sockets import messages
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
    counts: list[int] = field(default_factory=list)
    resyncs: int = 0
    paused: bool = False
    pause_after: int = 1 << 30
    drains: int = 0
    closed: list[messages.Closing] = field(default_factory=list)

    def write(self, data: bytes, count: int = 1) -> None:
        """Remember; slow once enough was written, as a transport is."""
        self.data += data
        self.writes += 1
        self.counts.append(count)
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
class FakeLease:
    """A lease that is held."""

    number: int = 3
    incarnation: int = 7
