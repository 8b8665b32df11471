"""What the stages of a dry run are given: outputs that keep, tables in memory, limits that stop nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec

from streams.metrics import StageMetrics
from streams.record import Record
from streams.settings import Settings
from streams.stage import Life, Packed, Resources, Stage
from streams.state import State
from streams.topology import Topology

_ENDLESS: Final = 1 << 62


class Kept:
    """An output that keeps values by topic, until they are taken."""

    def __init__(self) -> None:
        self._values: dict[str, list[bytes | None]] = defaultdict(list)

    def take(self, topic: str) -> list[bytes | None]:
        """What was put into a topic since the last time."""
        return self._values.pop(topic, [])

    def put(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Keep one record."""
        self._values[topic].append(value)

    async def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Keep one record."""
        self.put(topic, partition, key, value)

    async def send_all(self, topic: str, partition: int, records: Sequence[Packed]) -> None:
        """Keep records."""
        self._values[topic] += [value for _, value in records]


class Table:
    """A table without a changelog: what it knows ends with the run."""

    def __init__(self, state: State[Any, Any]) -> None:
        self._state = state

    async def judge(self, partition: int, entries: Sequence[Any]) -> list[Any]:
        """The verdicts of the state."""
        return self._state.judge(entries)[0]

    def release(self, offset: int) -> None:
        """No record up to this offset comes again."""
        self._state.release(offset)
        self._state.dead_rows(_ENDLESS)


class DryBatch:
    """Records of a partition of which nothing was taken before, or what `taken` says."""

    def __init__(
        self, topic: str, partition: int, records: Sequence[Record], clock: int, life: Life, taken: int
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.records = records
        self.clock = clock
        self.life = life
        self._taken = taken

    def watermark(self) -> int:
        """See `streams.stage.Batch`."""
        return self._taken


class NoTimer:
    """Time passes in a dry run by its records alone."""

    def cancel(self) -> None:
        """Nothing was to be done."""


def never(delay: float, call: object) -> NoTimer:
    """Calls nothing."""
    return NoTimer()


def stage_of(
    name: str, settings: Settings, topology: Topology, output: Kept, topic_id: bytes, lane: int | None, table: Any
) -> Stage:
    """A stage that keeps what it puts. A bad deploy stops no partition of it."""
    return Stage(
        name=name,
        topology=topology,
        settings=patient(settings),
        output=output,
        resources=Resources(settings, AsyncExitStack()),
        metrics=StageMetrics(name, "" if lane is None else str(lane)),
        topic_id=topic_id,
        lane=lane,
        platform=None,
        table=table,
    )


def patient(settings: Settings) -> Settings:
    """The same settings without the limits that stop a partition."""
    limits = msgspec.structs.replace(
        settings.limits, dead_letter_ratio=1.0, dead_letter_consecutive=_ENDLESS, copies=_ENDLESS
    )
    return msgspec.structs.replace(settings, limits=limits)
