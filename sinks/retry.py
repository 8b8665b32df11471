"""The stage `retry`: holds what is to be tried again until it is due, then hands it to the sink of its platform.

Nothing waits in the handler: it takes records and says how far the partition is done, which is up to the first record
that is still held. What is due leaves in a task beside it. When that is done, a tick in the partition makes the handler
say so again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from sinks.background import Tasks, connect_tasks
from sinks.push import answered, in_time, open_sink, report
from sinks.results import Aftermath, Sink
from sinks.settle import RETRIES, open_settler
from streams.envelope import TICK, Push, decode_push, is_tick
from streams.logtime import Progress
from streams.stage import Batch, Handler, Life, Stage

#: What is due within so many ms leaves together.
SLOT_MS: Final = 100
#: So many are held, of all partitions, or so many bytes of their records; then the topic waits.
MOST: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024
_LOOK_AGAIN_S: Final = 1.0
#: Calls a function after so many seconds.
Later = Callable[[float, Callable[[], None]], object]


async def stage(stage: Stage) -> Handler:
    """The handler for `push.<platform>.<lane>.retry`."""
    sink = await open_sink(stage)
    settler = await open_settler(stage)
    return Retrier(stage, sink, settler, await stage.resources.get(connect_tasks)).handle


class Held(NamedTuple):
    """A push that waits for its time, and where its record lies."""

    partition: int
    life: Life
    offset: int
    push: Push


class _Open:
    """What is held of one life of a partition: the size of each record, by its offset."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.sizes: dict[int, int] = {}
        self.bytes = 0

    def add(self, offset: int, size: int) -> None:
        self.sizes[offset] = size
        self.bytes += size

    def remove(self, offset: int) -> None:
        self.bytes -= self.sizes.pop(offset)


class Retrier:
    """Takes batches of one retry topic. A push is tried at least once; a crash tries again what was not committed."""

    def __init__(
        self, stage: Stage, sink: Sink, aftermath: Aftermath, tasks: Tasks, later: Later | None = None
    ) -> None:
        """`later` calls a function after some seconds; that of the running loop unless given."""
        self._stage = stage
        self._sink = sink
        self._aftermath = aftermath
        self._tasks = tasks
        self._later = later or (lambda delay, call: asyncio.get_running_loop().call_later(delay, call))
        self._topic = stage.topic(RETRIES)
        self._slots: dict[tuple[int, int], list[Held]] = {}  # by partition and time
        self._open: dict[int, _Open] = {}  # what is held, by partition
        self._left = asyncio.Event()  # something is held no longer

    async def handle(self, batch: Batch) -> Progress:
        """Take records; those whose time has come leave at once. Waits only while too many are held."""
        await self._room(batch.life)
        held = self._open.setdefault(batch.partition, _Open(batch.life))
        for record in batch.records:
            if is_tick(record.value):
                continue
            value = record.value or b""
            push = decode_push(value)
            self._stage.verify(push.version, push.topic_id)
            held.add(record.offset, len(value))
            self._stage.metrics.held += 1
            self._wait(Held(batch.partition, batch.life, record.offset, push))
        first = min(held.sizes, default=batch.records[-1].offset + 1)
        return Progress(first, batch.watermark(), batch.clock)

    async def _room(self, life: Life) -> None:
        self._give_back()
        while self._full() and not life.over:
            self._left.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._left.wait()
            self._give_back()

    def _full(self) -> bool:
        held = self._open.values()
        return sum(len(each.sizes) for each in held) >= MOST or sum(each.bytes for each in held) >= MOST_BYTES

    def _give_back(self) -> None:
        """What is held of lives that are over is another process's, and takes no room here."""
        over = [number for number, each in self._open.items() if each.life.over]
        if not over:
            return
        records = sum(len(self._open.pop(number).sizes) for number in over)
        self._stage.metrics.ended["given-back"] += records
        self._stage.metrics.held -= records
        for slot in self._slots:
            self._slots[slot] = [held for held in self._slots[slot] if not held.life.over]
        self._left.set()

    def _wait(self, held: Held) -> None:
        slot = held.partition, -(-max(held.push.due, self._stage.now()) // SLOT_MS)
        if slot not in self._slots:
            self._slots[slot] = []
            delay = max(0, slot[1] * SLOT_MS - self._stage.now()) / 1000
            self._later(delay, lambda: self._tasks.start(self._leave(slot), self._stage.fail))
        self._slots[slot].append(held)

    async def _leave(self, slot: tuple[int, int]) -> None:
        """Deliver what is due, and report it. All of it is out before a commit can pass over it."""
        due = [held for held in self._slots.pop(slot) if not held.life.over]
        if not due:
            return
        opened = self._open[slot[0]]  # of this life; another one may stand there when all is done
        pushes, outcomes = in_time([held.push for held in due], self._stage.now())
        results = await self._sink.deliver(pushes)
        if any(held.life.over for held in due):  # whoever has the partition now tries all of them
            return
        said = await self._aftermath.settle(slot[0], pushes, results)
        outcomes += report(pushes, said, self._aftermath.delivered)
        await self._stage.report(slot[0], outcomes)
        if self._open.get(slot[0]) is not opened:  # given back meanwhile
            return
        self._stage.metrics.ended["pushed"] += answered(pushes, results)
        for held in due:
            opened.remove(held.offset)
        self._stage.metrics.held -= len(due)
        self._left.set()
        try:
            self._stage.output.put(self._topic, slot[0], None, TICK)
        except BufferError:
            await self._stage.output.send(self._topic, slot[0], None, TICK)
