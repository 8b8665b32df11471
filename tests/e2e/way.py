"""All of lockstep in one process: real handlers, stores and edge; only the topics between the stages are lists."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from types import FrameType
from typing import Any, Final, NamedTuple

from edge.server import Running, running
from sinks.rows import Notification, Row
from sinks.wire import Delivery, Note
from streams.admin import ingest_topic_id
from streams.cloudevents import Structured
from streams.envelope import Envelope, Push
from streams.event import Event
from streams.latest import LatestState
from streams.metrics import Metrics
from streams.outcomes import Outcome, decode_outcomes
from streams.record import Record
from streams.seen import SeenState
from streams.settings import Settings
from streams.stage import Handler, Life, Packed, Resources, Stage
from streams.topology import StageBinding, Topology, milliseconds
from streams.transport.client import RawRecord
from streams.worker import factory
from tests.unit.fakes import FakeRecord

#: Every form that an event takes on its way.
FORMS: Final = (
    RawRecord, FakeRecord, Structured, Event, Envelope, Row, Push, Note, Delivery, Notification,
)  # fmt: skip
PACKAGES: Final = ("streams.", "agents.", "sinks.", "edge.")
STATES: Final = {"seen": SeenState, "latest": LatestState}
WORKERS: Final = ("router", "high")
PLATFORM: Final = "socket"


class Passed:
    """Notes, in the order of the first call, every module of which a function is called with the event."""

    def __init__(self) -> None:
        self.watching = False
        self.modules: dict[str, str] = {}  # and the function that was first

    def __call__(self, frame: FrameType, what: str, _: object) -> None:
        """For sys.setprofile."""
        module = frame.f_globals.get("__name__", "")
        if not self.watching or what != "call" or module in self.modules or not module.startswith(PACKAGES):
            return
        if any(holds_the_event(argument) for argument in _arguments(frame)):
            self.modules[module] = frame.f_code.co_qualname


def holds_the_event(value: object) -> bool:
    """Whether a value is the event in one of its forms, or a list or tuple with it."""
    if isinstance(value, FORMS):
        return True
    return isinstance(value, list | tuple) and any(holds_the_event(part) for part in value)


def _arguments(frame: FrameType) -> Iterator[object]:
    code = frame.f_code
    number = code.co_argcount + code.co_kwonlyargcount
    number += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args and **kwargs
    return (frame.f_locals.get(name) for name in code.co_varnames[:number])


@contextmanager
def profiled(passed: Passed) -> Iterator[None]:
    """Show `passed` all calls of this thread, and of threads that begin meanwhile."""
    threading.setprofile(passed)
    sys.setprofile(passed)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


class OneRecord(NamedTuple):
    """A batch of one record; nothing was taken before it."""

    topic: str
    records: list[Record]
    partition: int
    clock: int = -1
    life: Life = Life()

    def watermark(self) -> int:
        """Highest position taken before."""
        return -1


class Table:
    """The state of one partition, without a changelog."""

    def __init__(self, name: str, partition: int, topology: Topology) -> None:
        self._state: Any = STATES[name](partition, milliseconds(topology.tables[name].window))

    async def judge(self, partition: int, entries: Sequence[Any]) -> list[Any]:
        """A verdict for each entry."""
        verdicts: list[Any] = self._state.judge(entries)[0]
        return verdicts


class Road:
    """The topics between the stages of one partition: what a stage puts out is the next one's batch."""

    def __init__(self, partition: int) -> None:
        self.handlers: dict[str, Handler] = {}
        self.carried: dict[str, bytes] = {}  # the newest value of each topic
        self.outcomes: list[Outcome] = []
        self._partition = partition
        self._waiting: deque[tuple[str, Record]] = deque()
        self._offset = 0

    def put(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Queue one record."""
        assert partition == self._partition
        self.carried[topic] = value or b""
        if topic in self.handlers:
            self._offset += 1
            self._waiting.append((topic, FakeRecord(self._offset, key, value, headers or [], int(time.time() * 1000))))
        elif topic.endswith("outcomes"):
            self.outcomes += decode_outcomes(value or b"").outcomes

    async def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Queue one record; there is always room."""
        self.put(topic, partition, key, value, headers)

    async def send_all(self, topic: str, partition: int, records: Sequence[Packed]) -> None:
        """Queue records; there is always room."""
        for key, value in records:
            self.put(topic, partition, key, value)

    async def travel(self, topic: str, record: Record) -> None:
        """Hand a record to the stage of its topic, then on until nothing is left."""
        self._waiting.append((topic, record))
        while self._waiting:
            name, onward = self._waiting.popleft()
            await self.handlers[name](OneRecord(name, [onward], self._partition))


@asynccontextmanager
async def one_process(settings: Settings, topology: Topology, partition: int) -> AsyncIterator[tuple[Road, Running]]:
    """The stages of the workers, made as the worker makes them, and the edge."""
    road = Road(partition)
    metrics = Metrics()
    topic_id = ingest_topic_id(settings)
    async with AsyncExitStack() as stack:
        resources = Resources(settings, stack)
        for binding in (binding for worker in WORKERS for binding in topology.bindings(worker)):
            table = Table(binding.table, partition, topology) if binding.table else None
            made = _stage(binding, settings, topology, road, resources, metrics, topic_id, table)
            road.handlers[settings.topic_prefix + binding.topic] = await factory(binding.handler)(made)
        yield road, await stack.enter_async_context(running(settings, topology))


def _stage(
    binding: StageBinding,
    settings: Settings,
    topology: Topology,
    road: Road,
    resources: Resources,
    metrics: Metrics,
    topic_id: bytes,
    table: Table | None,
) -> Stage:
    return Stage(
        name=binding.stage,
        topology=topology,
        settings=settings,
        output=road,
        resources=resources,
        metrics=metrics.stage(binding.stage, "one"),
        topic_id=topic_id,
        lane=binding.lane,
        platform=binding.platform,
        table=table,
    )
