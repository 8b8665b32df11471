"""The index of all partitions in one directory: what is known of a word, within a bound of bytes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from edge.console.index.segments import SUFFIX, BadSegment, Segment, open_segment
from edge.console.index.shelf import Bounds, Shelf
from edge.console.index.words import Kind, word, words_of_event, words_of_outcomes
from streams.record import Record

INGEST: Final = "ingest"
OUTCOMES: Final = "outcomes"
WORDS: Final = {INGEST: words_of_event, OUTCOMES: words_of_outcomes}
#: Which topic names what is looked for.
TOPIC_OF: Final[dict[Kind, str]] = {"event": INGEST, "account": OUTCOMES, "device": OUTCOMES}
#: The buffers are written when they hold so many postings, and when one is so old, s: a crash reads that much again.
FLUSH_POSTINGS: Final = 1 << 20
FLUSH_S: Final = 60.0
log = logging.getLogger(__name__)


class Place(NamedTuple):
    """A record that has the hash of what is looked for."""

    partition: int
    offset: int


class State(NamedTuple):
    """What is covered: from when on, until when, ms; records behind that are not yet; bytes on disk."""

    since: int
    until: int
    behind: int
    nbytes: int
    postings: int


class Index:
    """Safe for several threads. Methods that write raise OSError."""

    def __init__(self, directory: Path, partitions: int, most_bytes: int) -> None:
        """`most_bytes`: of all segments; the oldest goes first."""
        self.trouble = "starting"  # why it does not follow the topics; empty: it does
        self._directory = directory
        self._partitions = partitions
        self._most = most_bytes
        self._lock = threading.Lock()
        self._shelves: dict[tuple[str, int], Shelf] = {}

    def open(self, topic: str, topic_id: bytes) -> None:
        """Take over what is there of a topic with this id; what is of another one of that name is deleted."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._lock:
            kept = self._read(topic, topic_id)
            for partition in range(self._partitions):
                shelf = Shelf(self._directory, topic, topic_id, partition)
                shelf.adopt(kept.get(partition, ()))
                self._shelves[topic, partition] = shelf

    def _read(self, topic: str, topic_id: bytes) -> dict[int, list[Segment]]:
        kept: dict[int, list[Segment]] = {}
        for path in sorted(self._directory.glob(f"{topic}.*")):
            segment = _opened(path) if path.suffix == SUFFIX else None
            if segment is not None and segment.span.topic_id == topic_id:
                kept.setdefault(segment.span.partition, []).append(segment)
            else:
                path.unlink()
        return kept

    def starts(self, topic: str) -> dict[int, int]:
        """The next offset of each partition; 0 where nothing is known."""
        with self._lock:
            return {shelf.partition: shelf.next for shelf in self._of(topic)}

    def look(self, topic: str, bounds: Mapping[int, Bounds]) -> dict[int, int]:
        """What the partitions hold now. Those that were trimmed or cut begin elsewhere: partition -> next offset."""
        moved: dict[int, int] = {}
        with self._lock:
            for shelf in self._of(topic):
                shelf.bounds = bounds[shelf.partition]
                shelf.trim()
                if shelf.next > shelf.bounds.high:  # what was written is not there any more
                    shelf.clear()
                    moved[shelf.partition] = shelf.bounds.low
                shelf.next = max(shelf.next, shelf.bounds.low)
        return moved

    def take(self, topic: str, records: Iterable[tuple[int, Record]]) -> None:
        """The next records of partitions of a topic, in their order."""
        words = WORDS[topic]
        made = [(partition, record.offset, record.timestamp, words(record)) for partition, record in records]
        with self._lock:
            for partition, offset, at, found in made:
                shelf = self._shelves[topic, partition]
                if offset >= shelf.next:
                    shelf.take(offset, at, found)

    def settle(self) -> None:
        """Write what is due, and keep the bound."""
        with self._lock:
            shelves = list(self._shelves.values())
            if sum(shelf.waiting for shelf in shelves) >= FLUSH_POSTINGS or any(s.age > FLUSH_S for s in shelves):
                self._flush()
            while sum(shelf.nbytes for shelf in shelves) > self._most:
                oldest = min((s for s in shelves if s.segments), key=lambda each: each.segments[0].span.until)
                oldest.drop(1)

    def close(self) -> None:
        """Write everything."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        for shelf in self._shelves.values():
            shelf.flush()

    def find(self, kind: Kind, text: str, most: int, partition: int | None = None) -> list[Place]:
        """Records that may name it: the newest of each partition, or of one; at most so many of each."""
        wanted = word(kind, text)
        with self._lock:
            return [
                Place(shelf.partition, offset)
                for shelf in self._of(TOPIC_OF[kind])
                if partition in (None, shelf.partition)
                for offset in shelf.find(wanted, most)
            ]

    def state(self, now: int) -> State:
        """What is covered at `now`, ms."""
        with self._lock:
            shelves = list(self._shelves.values())
            known = [shelf for shelf in shelves if shelf.since]
            cut = [shelf.since for shelf in known if not shelf.whole]
            late = [shelf.until for shelf in shelves if shelf.behind]
            return State(
                since=max(cut) if cut else min((shelf.since for shelf in known), default=now),
                until=min(late) if late else now,
                behind=sum(shelf.behind for shelf in shelves),
                nbytes=sum(shelf.nbytes for shelf in shelves),
                postings=sum(len(each) for s in shelves for each in s.segments) + sum(s.waiting for s in shelves),
            )

    def _of(self, topic: str) -> list[Shelf]:
        return [shelf for (name, _), shelf in self._shelves.items() if name == topic]


def _opened(path: Path) -> Segment | None:
    try:
        return open_segment(path)
    except (BadSegment, OSError) as error:
        log.warning("a part of the search index is read anew: %s", error)
        return None
