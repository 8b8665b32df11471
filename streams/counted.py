"""What a stage takes and puts, counted from outside: by what comes in and goes out, not by what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streams.envelope import is_tick
from streams.logtime import Progress
from streams.metrics import StageMetrics
from streams.stage import Batch, Handler, Output, Packed

Headers = list[tuple[str, bytes]]
#: How the topics of what is tried again end.
_RETRY: Final = ".retry"
#: The kind of topic that a stage makes one record for, of one record that it takes of another.
_MAKES: Final = {"ingest": "events", "events": "notifications"}


def kind_of(topic: str) -> str:
    """`events` of `events.high`; `retry` of `push.apns.high.retry`."""
    return "retry" if topic.endswith(_RETRY) else topic.partition(".")[0]


class CountedOutput:
    """An output that counts, by the kind of topic, what goes through it."""

    def __init__(self, output: Output, metrics: StageMetrics, prefix: str, reads: str) -> None:
        """`reads` is the topic that the stage reads, without `prefix`."""
        self._output = output
        self._metrics = metrics
        self._prefix = len(prefix)
        self._makes = _MAKES.get(kind_of(reads))
        self._kinds: dict[str, str] = {}

    def put(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None
    ) -> None:
        """Queue one record. Raises BufferError while the queue is full."""
        self._output.put(topic, partition, key, value, headers)
        self._count(topic)

    async def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None
    ) -> None:
        """Queue one record, waiting for room."""
        await self._output.send(topic, partition, key, value, headers)
        self._count(topic)

    async def send_all(self, topic: str, partition: int, records: Sequence[Packed]) -> None:
        """Queue records without headers, in order, waiting for room."""
        await self._output.send_all(topic, partition, records)
        self._count(topic, len(records))

    def _count(self, topic: str, records: int = 1) -> None:
        kind = self._kinds.get(topic)
        if kind is None:
            kind = self._kinds[topic] = kind_of(topic[self._prefix :])
        self._metrics.forwarded[kind] += records
        if kind == self._makes:
            self._metrics.ended["forwarded"] += records


def counted(handler: Handler, metrics: StageMetrics, reads: str) -> Handler:
    """A handler of the topic `reads` whose records are in flight while it has them; ticks are no records."""
    ticks = kind_of(reads) in ("events", "retry")

    async def handle(batch: Batch) -> int | Progress:
        empty = sum(is_tick(record.value) for record in batch.records) if ticks else 0
        with metrics.batch(len(batch.records) - empty):
            metrics.age.began(batch.partition, batch.records[0].timestamp)
            taken = await handler(batch)
            metrics.age.finished(batch.partition, batch.records[-1].timestamp, batch.records[-1].offset)
        return taken

    return handle
