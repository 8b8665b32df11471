"""Hand-written stand-ins for what a stage is given: records, batches, outputs and tables that only remember."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from streams.check import load
from streams.envelope import position
from streams.metrics import Metrics
from streams.outcomes import Outcome, decode_outcomes
from streams.settings import Settings
from streams.stage import Life, Packed, Resources, Stage
from streams.topology import Topology

ROOT = Path(__file__).parents[2]
TOPIC_ID = b"topc"
NOW = 1_800_000_000_000


@dataclass
class FakeRecord:
    """A record of a topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = NOW


@dataclass
class FakeBatch:
    """The records of one partition."""

    topic: str
    records: Sequence[FakeRecord]
    partition: int = 0
    taken: int = -1
    clock: int = -1
    life: Life = field(default_factory=Life)

    def watermark(self) -> int:
        """What was taken before."""
        return self.taken


@dataclass
class Sent:
    """A record that a stage put out."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] | None


@dataclass
class FakeOutput:
    """Remembers what was put, in order; refuses the first `full` puts as a full queue does."""

    sent: list[Sent] = field(default_factory=list)
    full: int = 0

    def put(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Queue one record."""
        if self.full:
            self.full -= 1
            raise BufferError
        self.sent.append(Sent(topic, partition, key, value, headers))

    async def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Queue one record when there is room."""
        self.full = 0
        self.put(topic, partition, key, value, headers)

    async def send_all(self, topic: str, partition: int, records: Sequence[Packed]) -> None:
        """Queue records, each when there is room."""
        for key, value in records:
            await self.send(topic, partition, key, value)

    def to(self, topic: str) -> list[Sent]:
        """What went to one topic."""
        return [sent for sent in self.sent if sent.topic == topic]

    def outcomes(self) -> list[Outcome]:
        """All outcomes, unpacked."""
        return [o for sent in self.to("outcomes") for o in decode_outcomes(sent.value or b"").outcomes]


@cache
def shipped_topology() -> Topology:
    """The topology of the repository; it is read once, which takes 40 ms."""
    return load((ROOT / "topics.yaml").read_text(), "topics.yaml", handlers=False)


def make_stage(
    name: str,
    output: FakeOutput,
    *,
    lane: int | None = None,
    platform: str = "socket",
    table: Any = None,
    settings: Settings | None = None,
) -> Stage:
    """A stage on the shipped topology, with a clock that stands at NOW."""
    settings = settings or Settings()
    return Stage(
        name=name,
        topology=shipped_topology(),
        settings=settings,
        output=output,
        resources=Resources(settings, AsyncExitStack()),
        metrics=Metrics().stage(name, "none" if lane is None else str(lane)),
        topic_id=TOPIC_ID,
        lane=lane,
        platform=platform,
        table=table,
        clock=lambda: NOW / 1000,
    )


def at(offset: int) -> int:
    """The position of an offset in the first epoch."""
    return position(1, offset)
