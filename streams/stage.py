"""What a stage is given: its place in the topology, its outputs, its table, and resources opened once a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, Protocol, TypeVar

import msgspec

from streams.client_metrics import ClientMetrics
from streams.envelope import ForeignTopic, check_version
from streams.logtime import Progress
from streams.metrics import Metrics, StageMetrics
from streams.outcomes import Outcome, encode_outcomes
from streams.record import Record
from streams.settings import Settings
from streams.topology import Topology, bind, size_bytes

T = TypeVar("T")
#: Bytes of outcomes in one record, well below what the topic takes.
MAX_OUTCOMES: Final = 512 * 1024


class Life:
    """A partition between two seeks: what is held in memory of it belongs to one life, and is read again in the next.

    `over`: the partition was revoked, or is read anew.
    """

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


class Batch(Protocol):
    """The records of one partition from one poll."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def records(self) -> Sequence[Record]: ...

    @property
    def clock(self) -> int:
        """Log time of the partition before this batch: the latest append time so far, ms; -1 where nothing was."""

    @property
    def life(self) -> Life:
        """The same for all batches between two seeks of the partition."""

    def watermark(self) -> int:
        """Highest position taken from this partition before this batch, -1 where nothing was.

        Records that a handler holds back are not counted.
        """


#: Key and value of a record.
Packed = tuple[bytes | None, bytes | None]


class Output(Protocol):
    """Where a stage puts records. All of them are on the broker before the batch is committed."""

    def put(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Queue one record. Raises BufferError while the queue is full."""

    async def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Queue one record, waiting for room."""

    async def send_all(self, topic: str, partition: int, records: Sequence[Packed]) -> None:
        """Queue records without headers, in order, waiting for room."""


class PartitionStopped(Exception):
    """A handler will not go on with a partition until somebody has looked at it. Raised before any output of the batch.

    The batch stays unfinished, so a restart reads it again; the other partitions go on.
    """


#: Handles a batch; returns the highest position taken so far, the new watermark of the input partition; or, where it
#: holds records back, how far it is finished: only that is committed, and the rest is read again after a crash.
Handler = Callable[[Batch], Awaitable[int | Progress]]


class Resources:
    """Opens what stages need, once a worker, and closes it in reverse."""

    def __init__(self, settings: Settings, stack: AsyncExitStack, metrics: Metrics | None = None) -> None:
        """`metrics` shows what the clients of stores count, once they are open."""
        self._settings = settings
        self._metrics = metrics
        self._stack = stack
        self._opened: dict[Callable[..., Any], Any] = {}
        self._opening = asyncio.Lock()

    async def get(self, connect: Callable[[Settings], AbstractAsyncContextManager[T]]) -> T:
        """What `connect` opens; the same object for every stage that asks."""
        async with self._opening:  # stages may ask at the same time
            if connect not in self._opened:
                self._opened[connect] = await self._stack.enter_async_context(connect(self._settings))
                self._show(self._opened[connect])
            opened: T = self._opened[connect]
        return opened

    def _show(self, opened: Any) -> None:
        watch = getattr(opened, "watch", None)
        if self._metrics is not None and isinstance(watch, ClientMetrics):
            watch.export(self._metrics)


def _fail(cause: BaseException) -> None:
    raise cause


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of one worker, on one topic. Handler factories get it: `async def stage(stage: Stage) -> Handler`."""

    name: str
    topology: Topology
    settings: Settings
    output: Output
    resources: Resources
    metrics: StageMetrics
    topic_id: bytes  # first four bytes of the ingest topic's id
    lane: int | None
    platform: str | None
    table: Any  # the stage's table (streams.tables), None where it has none
    fail: Callable[[BaseException], None] = _fail  # ends the process without another commit; from any task
    clock: Callable[[], float] = time.time

    def topic(self, pattern: str, lane: int | None = None, platform: str | None = None) -> str:
        """A topic's full name; lane and platform are the stage's own unless given."""
        number = self.lane if lane is None else lane
        lane_name = None if number is None else self.topology.lane_names()[number]
        return self.settings.topic_prefix + bind(pattern, lane_name, platform or self.platform)

    def most_bytes(self, pattern: str) -> int:
        """The longest record that this process writes and a topic takes, bytes."""
        return min(self.settings.kafka.max_message_bytes, size_bytes(self.topology.topics[pattern].max_message))

    def now(self) -> int:
        """Wall clock, ms."""
        return int(self.clock() * 1000)

    def verify(self, version: int, topic_id: bytes) -> None:
        """Raise unless a record was written in a readable format and descends from this ingest topic."""
        check_version(version)
        if topic_id != self.topic_id:
            raise ForeignTopic(topic_id, self.topic_id)

    async def report(self, partition: int, outcomes: list[Outcome]) -> None:
        """Put the outcomes of a batch into `outcomes`, in order, and count them."""
        if not outcomes:
            return
        self.metrics.count(outcomes)
        await self._put_outcomes(partition, self.now(), outcomes)

    async def _put_outcomes(self, partition: int, now: int, outcomes: list[Outcome]) -> None:
        """As one record, or as several where accounts with many devices make it large."""
        value = encode_outcomes(self.name, now, outcomes)
        if len(value) > MAX_OUTCOMES and (len(outcomes) > 1 or len(outcomes[0].devices) > 1):
            for half in _halves(outcomes):
                await self._put_outcomes(partition, now, half)
        else:
            await self.output.send(self.topic("outcomes"), partition, outcomes[0].account.encode(), value)


def _halves(outcomes: list[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Of one outcome alone its devices, and what is said of them."""
    if len(outcomes) > 1:
        return outcomes[: len(outcomes) // 2], outcomes[len(outcomes) // 2 :]
    (whole,) = outcomes
    devices, said = len(whole.devices) // 2, len(whole.detail) // 2
    first = msgspec.structs.replace(whole, devices=whole.devices[:devices], detail=whole.detail[:said])
    return [first], [msgspec.structs.replace(whole, devices=whole.devices[devices:], detail=whole.detail[said:])]


#: Makes the handler of a stage; named in topics.yaml by its dotted path.
Factory = Callable[[Stage], Awaitable[Handler]]
Incarnations = Mapping[int, int | None]
