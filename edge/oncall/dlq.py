"""Reads `dead-letters`, puts dead letters into `ingest` again, and marks what was done to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from itertools import islice
from typing import Final

from edge.oncall.letters import LeftOut, Letter, Wanted, letters, markers
from streams.deadletters import Action, Done, done, replay
from streams.settings import Settings
from streams.topology import Topology
from streams.transport.client import (
    Placed,
    Publisher,
    RawRecord,
    offsets_for_time,
    partition_for,
    read_partition,
    watermarks,
)

#: Brokers' clocks may differ by so much, ms: a partition's append times rise but for this.
SKEW_MS: Final = 60_000
_IN_FLIGHT: Final = 200  # letters


class DeadLetters:
    """The dead letters of one cluster. All methods raise ReadFailed, the acting ones PublishFailed."""

    def __init__(self, settings: Settings, topology: Topology) -> None:
        self._settings = settings
        self._partitions = topology.partitions
        self._topic = settings.topic_prefix + "dead-letters"
        self._ingest = settings.topic_prefix + "ingest"

    def find(self, wanted: Wanted, partition: int | None = None) -> Iterator[Letter]:
        """Those that are meant, of one partition or all, each in the order of its partition."""
        partitions = range(self._partitions) if partition is None else [partition]
        yield from self._found(wanted, self._starts(wanted, partitions))

    def newest(self, wanted: Wanted, most: int) -> tuple[Iterator[Letter], bool]:
        """The same of the last records alone, of all partitions together at most so many; whether these are all."""
        kafka = self._settings.kafka
        partitions = range(self._partitions)
        starts = self._starts(wanted, partitions)
        bounds = watermarks(kafka.servers, self._topic, partitions, kafka.security)
        last = {each: max(starts[each], high - most // self._partitions) for each, (_, high) in bounds.items()}
        whole = all(last[each] <= max(starts[each], low) for each, (low, _) in bounds.items())
        return self._found(wanted, last), whole

    def _found(self, wanted: Wanted, starts: Mapping[int, int]) -> Iterator[Letter]:
        for number, start in starts.items():
            finished = markers(self._read(number, start))
            records = _until(self._read(number, start), wanted)
            yield from filter(wanted.holds, letters(number, records, finished))

    def act(self, chosen: Iterable[Letter], action: Action) -> Iterator[Letter]:
        """Do it; each letter once it is done and marked. Raises LeftOut for a replay of one that is not whole.

        What breaks off between a replay and its marker is open afterwards; another replay of it is then a duplicate.
        """
        rest, kafka = iter(chosen), self._settings.kafka
        config = {"message.max.bytes": kafka.max_message_bytes, **kafka.security}
        with closing(Publisher(kafka.servers, **config)) as publisher:
            while some := list(islice(rest, _IN_FLIGHT)):
                if action == "replayed" and (lacking := next(filter(None, map(Letter.lacks, some)), "")):
                    raise LeftOut(lacking)
                places = self._put_again(publisher, some) if action == "replayed" else [""] * len(some)
                marked = [self._mark(publisher, *each, action) for each in zip(some, places, strict=True)]
                for letter, placed in marked:
                    placed.result()
                    yield letter

    def _put_again(self, publisher: Publisher, some: Sequence[Letter]) -> list[str]:
        """Where they lie now: on the partition of their key, which for misplaced ones is another than before."""
        placed = []
        for letter in some:
            record, origin = letter.record, letter.origin
            headers = replay(origin, record.headers)
            partition = origin.partition if record.key is None else partition_for(record.key, self._partitions)
            placed.append(publisher.submit(self._ingest, record.key, record.value, headers, partition))
        return [":".join(map(str, each.result())) for each in placed]

    def _mark(self, publisher: Publisher, letter: Letter, placed: str, action: Action) -> tuple[Letter, Future[Placed]]:
        what = Done(letter.origin.identity, action, placed)
        marked = publisher.submit(self._topic, letter.record.key, None, done(what), letter.partition)
        return letter._replace(done=what), marked

    def _starts(self, wanted: Wanted, partitions: Sequence[int]) -> dict[int, int]:
        if wanted.offset is not None or wanted.since is None:
            return dict.fromkeys(partitions, wanted.offset or 0)
        kafka = self._settings.kafka
        return offsets_for_time(kafka.servers, self._topic, partitions, max(0, wanted.since - SKEW_MS), kafka.security)

    def _read(self, partition: int, start: int) -> Iterator[RawRecord]:
        kafka = self._settings.kafka
        return read_partition(kafka.servers, self._topic, partition, start, None, kafka.security)


def _until(records: Iterator[RawRecord], wanted: Wanted) -> Iterator[RawRecord]:
    """No further than what is meant can be."""
    for record in records:
        if wanted.until is not None and record.timestamp > wanted.until + SKEW_MS:
            return
        yield record
        if wanted.offset is not None:
            return
