"""What devices have: ranges that they acked or pulled, packed into records of `outcomes` without anybody waiting."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final, Literal, Protocol

from edge.protocol import Range
from streams.envelope import origin_of
from streams.failpoints import reach
from streams.murmur2 import partition_for
from streams.outcomes import ANY_LANE, CODES, Code, Outcome, encode_outcomes

STAGE: Final = "edge"
#: Outcomes are put into Kafka after so long (s), or when so many of a partition wait.
FLUSH_S: Final = 0.1
FLUSH_ENTRIES: Final = 500
#: Most outcomes that wait for Kafka's word; more are dropped and counted: the next hello says them again.
MAX_WAITING: Final = 100_000
_REMEMBERED: Final = 50_000
log = logging.getLogger(__name__)


class Output(Protocol):
    """Where records go: `Publisher.submit`."""

    def __call__(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
        partition: int | None = None,
    ) -> Future[tuple[int, int]]:
        """Queue one record. Raises BufferError while the queue is full."""


class Reports:
    """Buffers outcomes for each partition. Its methods are called in the loop's thread only."""

    def __init__(self, output: Output, topic: str, partitions: int) -> None:
        self._output = output
        self._topic = topic
        self._partitions = partitions
        self._waiting: dict[int, list[Outcome]] = {}
        self._presented: OrderedDict[tuple[str, str], tuple[int, ...]] = OrderedDict()
        self.waiting = self.reported = self.dropped = 0
        self.codes: dict[tuple[str, ...], float] = {(code,): 0 for code in CODES}  # that devices gave

    def presented(self, kind: Literal["acked", "pulled"], account: str, device: str, positions: Sequence[int]) -> None:
        """A device came with a cursor: it has everything up to there. The same positions again say nothing new."""
        key, now = (account, device), tuple(positions)
        known = self._presented.get(key)
        if known == now:
            self._presented.move_to_end(key)
            return
        self._presented[key] = now
        self._presented.move_to_end(key)
        if len(self._presented) > _REMEMBERED:
            self._presented.popitem(last=False)
        before = known if known is not None and len(known) == len(positions) else (-1,) * len(positions)
        ranges = zip(before, positions, strict=True)
        self.ranges(kind, account, device, [Range(lane, since, to) for lane, (since, to) in enumerate(ranges)])

    def ranges(self, kind: Literal["acked", "pulled"], account: str, device: str, ranges: Iterable[Range]) -> None:
        """A device has these notifications; ranges that end at 0, or where they begin, hold none."""
        said = [
            Outcome(kind, account, to, (device,), since=since, lane=lane)
            for lane, since, to in ranges
            if to > max(since, 0)
        ]
        self._add(account, device, said)

    def coded(self, account: str, device: str, codes: Mapping[str, Code]) -> None:
        """What became of single items, by their ids. While much waits they are dropped, and leave room for ranges."""
        for id_, code in codes.items():
            seq, _, _ = origin_of(bytes.fromhex(id_))
            self.codes[(code,)] += 1
            if self.waiting >= MAX_WAITING // 2:
                self.dropped += 1
                continue
            self._add(account, device, [Outcome("acked", account, seq, (device,), code, seq - 1, ANY_LANE)])

    def _add(self, account: str, device: str, outcomes: list[Outcome]) -> None:
        room = max(0, MAX_WAITING - self.waiting)
        if len(outcomes) > room:
            self.dropped += len(outcomes) - room
            self._presented.pop((account, device), None)  # so that its next cursor says it again
        taken = outcomes[:room]
        if not taken:
            return
        self.waiting += len(taken)
        partition = partition_for(account.encode(), self._partitions)
        entries = self._waiting.setdefault(partition, [])
        entries.extend(taken)
        if len(entries) >= FLUSH_ENTRIES:
            self._flush(partition)

    def flush(self) -> None:
        """Put all that waits into the producer's queue, as far as there is room."""
        for partition in list(self._waiting):
            self._flush(partition)

    def _flush(self, partition: int) -> None:
        reach("edge.reporting")
        part = self._waiting[partition][:FLUSH_ENTRIES]
        value = encode_outcomes(STAGE, int(time.time() * 1000), part)
        try:
            placed = self._output(self._topic, part[0].account.encode(), value, None, partition)
        except BufferError:  # Kafka is away or slow: they wait
            return
        del self._waiting[partition][: len(part)]
        if not self._waiting[partition]:
            del self._waiting[partition]
        loop = asyncio.get_running_loop()
        placed.add_done_callback(lambda done: loop.call_soon_threadsafe(self._done, partition, part, done))

    def _done(self, partition: int, part: list[Outcome], placed: Future[tuple[int, int]]) -> None:
        error = placed.exception()
        if error is None:
            self.waiting -= len(part)
            self.reported += len(part)
            return
        log.warning("outcomes were not taken, trying again: %s", error)
        self._waiting.setdefault(partition, []).extend(part)

    async def run(self) -> None:
        """Flush for as long as the edge runs, and once more at its end."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                self.flush()
        finally:
            self.flush()
            if self.dropped:
                log.warning("%d outcomes were dropped while Kafka took none", self.dropped)
