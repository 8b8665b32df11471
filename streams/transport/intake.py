"""The thread that reads the input partitions, through librdkafka: outside of the group, whose offsets aiokafka keeps.

A worker with little to do spends most of it on being woken. librdkafka's own thread has a fetch on its way, decodes the
answer and wakes this thread once; aiokafka's loop took half of such a worker for the same (docs/decisions).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import confluent_kafka
from confluent_kafka import KafkaError, Message, TopicPartition

from streams.transport.arrivals import Chunk, Fetched
from streams.transport.batch import Partition
from streams.transport.mark import Mark

log = logging.getLogger(__name__)

#: Records of one read that are a backlog: nobody lingers before the next.
BACKLOG: Final = 100
#: Bytes that may wait to be handed out, of partitions that are not paused; and what a record takes beside its value.
ROOM: Final = 8 << 20
RECORD: Final = 1 << 10
STALL: Final = 0.2  # seconds without room after which whoever gives nothing out is paused
_LOOK_EVERY: Final = 1.0  # seconds
_PATIENCE: Final = 0.1  # seconds after which the thread looks whether it was told something
_DEFAULTS: Final[Mapping[str, object]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_uncommitted",
    "check.crcs": True,
    # One fetch is in flight for each broker: a partition that was left out of it, being paused or just assigned, waits
    # for so long.
    "fetch.wait.max.ms": 100,
    "fetch.max.bytes": 16 << 20,
    "queued.min.messages": 10_000,
    "queued.max.messages.kbytes": 16 << 10,
    "fetch.queue.backoff.ms": 5,
    "max.poll.interval.ms": 86_400_000,  # of groups, which this is not in
    "log_level": 3,
}
#: What nobody can mend by reading on.
_FATAL: Final = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError._FATAL)
_record: Final = partial(tuple.__new__, Fetched)

#: Takes what one read gave: the number of its assignment, and chunks by partition. On the main loop.
Arrive = Callable[[int, Mapping[Partition, Chunk]], None]


class ReadingFailed(Exception):
    """The cluster does not let this process read."""


class Intake:
    """Reads what it is assigned, from the offsets that it is given, and hands it to the main loop.

    All methods are called from the main loop unless they say otherwise; what begins with an underscore runs in the
    thread. The consumer is used there alone: from elsewhere some of its calls wait for a `poll` to end, and while one
    follows the other for ever.
    """

    def __init__(
        self,
        config: Mapping[str, object],
        arrive: Arrive,
        stall: Callable[[], None],
        fail: Callable[[BaseException], None],
        most: int,
        linger: float = 0.0,
    ) -> None:
        """`config` is librdkafka's. `stall` is told that nothing fits any more for a while.

        One read gives at most `most` records. After one that gave little there are `linger` seconds until the next: one
        record costs about what twenty do.
        """
        self._config = config
        self._arrive = arrive
        self._stall = stall
        self._fail = fail
        self._most = most
        self._linger = linger
        self._consumer: Any = None
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._stopping = False
        self._number = 0  # of the latest assignment
        self._asked: deque[Callable[[], object]] = deque()  # to be called between two reads
        self._told = threading.Event()  # there is something in it, or the end
        self._reading = 0  # number of the assignment that is being read
        self._places: list[TopicPartition] = []  # which these are
        self._ends: dict[Partition, int] = {}
        self._look_at = 0.0
        self._given = 0  # bytes, ever; written by the thread alone
        self._released = 0  # of these; written by the main loop alone
        self._room = threading.Event()

    # -- from the main loop

    def start(self) -> None:
        """Connect, and read nothing yet. Raises KafkaException for a bad property."""
        self._loop = asyncio.get_running_loop()
        self._consumer = confluent_kafka.Consumer({**_DEFAULTS, **self._config, "error_cb": self._on_error}, logger=log)
        self._thread.start()

    async def stop(self) -> None:
        """Read no more; returns when the thread has ended, or does not want to."""
        if self._consumer is None:
            return
        self._stopping = True
        self._told.set()
        self._room.set()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, 5.0)

    def assign(self, positions: Mapping[Partition, Mark | None]) -> int:
        """Read these, from what is committed or where they begin, and nothing else. Returns the assignment's number."""
        self._number += 1
        places = [
            TopicPartition(*source, confluent_kafka.OFFSET_BEGINNING if mark is None else mark.offset)
            for source, mark in positions.items()
        ]
        self._ask(partial(self._assign, self._number, places))
        return self._number

    def login(self, username: str, password: str) -> None:
        """Use these for connections made from now on."""
        self._ask(lambda: self._consumer.set_sasl_credentials(username, password))

    def release(self, weight: int) -> None:
        """See `arrivals.Source`."""
        self._released += weight
        if not self._room.is_set():
            self._room.set()

    def pause(self, sources: Iterable[Partition]) -> None:
        """See `arrivals.Source`. What librdkafka has fetched of them is fetched again."""
        places = [TopicPartition(*source) for source in sources]
        self._ask(lambda: self._consumer.pause(places))

    def resume(self, sources: Iterable[Partition]) -> None:
        """See `arrivals.Source`."""
        places = [TopicPartition(*source) for source in sources]
        self._ask(lambda: self._consumer.resume(places))

    def end_of(self, source: Partition) -> int | None:
        """Offset after the partition's last record, as of a second ago; None while unknown. From any thread."""
        return self._ends.get(source)

    def _ask(self, call: Callable[[], object]) -> None:
        """Have the thread do something, soon: a read waits for 0.1 s at most."""
        self._asked.append(call)
        self._told.set()
        self._room.set()

    # -- in the thread

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._answer()
                self._read()
                self._look()
        except Exception as error:
            self._fail(error)
        finally:
            self._consumer.close()

    def _answer(self) -> None:
        self._told.clear()
        while self._asked:
            self._asked.popleft()()

    def _assign(self, number: int, places: list[TopicPartition]) -> None:
        """Between two reads, so that each record is of the assignment that was in force when it was read."""
        self._consumer.assign(places)
        if places:
            self._consumer.resume(places)
        self._reading = number
        self._places = places
        self._ends = {}

    def _read(self) -> None:
        first = self._consumer.poll(_PATIENCE)
        if first is None:
            return
        # `consume` alone would wait until there are as many as it may return
        messages = self._without_errors([first, *self._consumer.consume(self._most - 1, 0)])
        if not messages:
            return
        found = _chunks(messages)
        self._given += sum(chunk.weight for chunk in found.values())
        self._loop.call_soon_threadsafe(self._arrive, self._reading, found)
        self._wait_for_room()
        if len(messages) < BACKLOG and self._linger:
            self._told.wait(self._linger)

    def _wait_for_room(self) -> None:
        while self._is_full():
            self._room.clear()
            if self._is_full() and not self._room.wait(STALL):
                self._loop.call_soon_threadsafe(self._stall)

    def _is_full(self) -> bool:
        return self._given - self._released > ROOM and not self._told.is_set()

    def _look(self) -> None:
        """Where partitions end, as of their last fetch."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_EVERY
        ends = {
            (at.topic, at.partition): self._consumer.get_watermark_offsets(at, cached=True)[1] for at in self._places
        }
        self._ends = {source: end for source, end in ends.items() if end >= 0}

    def _without_errors(self, messages: list[Message]) -> list[Message]:
        if not any(map(Message.error, messages)):
            return messages
        for message in messages:
            error = message.error()
            if error is not None:
                self._on_error(error)
        return [message for message in messages if message.error() is None]

    def _on_error(self, error: Any) -> None:
        """librdkafka tries again by itself whatever can be tried again."""
        if error.code() in _FATAL or error.fatal():
            self._fail(ReadingFailed(str(error)))
        else:
            log.warning("reading: %s", error)


def _chunks(messages: list[Message]) -> dict[Partition, Chunk]:
    """Messages by partition. A call in C for each field of all of them, which takes half of what a loop takes."""
    groups: defaultdict[Partition, list[Message]] = defaultdict(list)
    topics, partitions = map(Message.topic, messages), map(Message.partition, messages)
    for topic, partition, message in zip(topics, partitions, messages, strict=True):
        groups[topic, partition].append(message)
    return {place: chunk_of(group) for place, group in groups.items()}


def chunk_of(messages: list[Message]) -> Chunk:
    """Messages of one partition, as records."""
    fields = zip(
        map(Message.offset, messages),
        [timestamp for _, timestamp in map(Message.timestamp, messages)],
        map(Message.key, messages),
        map(Message.value, messages),
        [headers or () for headers in map(Message.headers, messages)],
        strict=True,
    )
    return Chunk(list(map(_record, fields)), sum(map(len, messages)) + RECORD * len(messages))
