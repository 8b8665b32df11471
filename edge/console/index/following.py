"""Keeps the index at the end of its topics: a thread for each topic, which begins again whatever happens."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from edge.console.index.shelf import Bounds
from edge.console.index.store import WORDS, Index
from streams.admin import AdminError, topic_ids
from streams.record import Record
from streams.settings import Settings
from streams.transport.client import ReadFailed, follow, watermarks

_PATIENCE_S: Final = 0.5
_LOOK_S: Final = 5.0  # between two looks at the ends of the partitions
_AGAIN_S: Final = 5.0  # until Kafka is asked again
_AT_ONCE: Final = 2000  # records
_STOP_S: Final = 3.0
log = logging.getLogger(__name__)


class Moved(Exception):
    """A topic was cut or made anew: it is read from elsewhere."""


class Following:
    """Opens the index, then follows the topics until `close`."""

    def __init__(self, settings: Settings, index: Index) -> None:
        self._settings = settings
        self._index = index
        self._stopping = threading.Event()
        self._ids: dict[str, bytes] = {}
        self._troubles = dict.fromkeys(WORDS, "starting")
        self._threads = [
            threading.Thread(target=self._run, args=(name,), name=f"index {name}", daemon=True) for name in WORDS
        ]

    def start(self) -> None:
        """Follow on threads from now on."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads, and write what is not written. Blocks."""
        self._stopping.set()
        until = time.monotonic() + _STOP_S
        for thread in self._threads:  # one that waits for a Kafka that is away is left alone
            thread.join(max(0.0, until - time.monotonic()))
        try:
            self._index.close()
        except OSError as error:
            log.warning("the newest part of the search index is not written: %s", error)

    def _run(self, topic: str) -> None:
        """Begin again after every trouble but a defect's, which is logged and tried again too: search is no duty."""
        while not self._stopping.is_set():
            try:
                self._open(topic)
                self._follow(topic)
            except Moved as moved:
                log.warning("the search index is built anew: %s", moved)
                continue
            except (AdminError, ReadFailed, OSError) as error:
                self._say(topic, str(error))
                log.warning("the search index does not follow %s: %s", topic, error)
            except Exception as error:
                self._say(topic, repr(error))
                log.exception("the search index does not follow %s", topic)
            self._stopping.wait(_AGAIN_S)

    def _open(self, topic: str) -> None:
        """Once for each life of a topic: what is in memory is newer than what is on disk."""
        found = topic_ids(self._settings, [topic])[topic]
        if found != self._ids.get(topic):
            self._index.open(topic, found)
            self._ids[topic] = found

    def _follow(self, topic: str) -> None:
        """Raises ReadFailed, Moved, AdminError and OSError."""
        kafka = self._settings.kafka
        name = self._settings.topic_prefix + topic
        self._look(topic)
        looked = took = time.monotonic()
        records: list[tuple[int, Record]] = []
        for found in follow(kafka.servers, name, self._index.starts(topic), _PATIENCE_S, kafka.security):
            if found is not None:
                records.append(found)
            now = time.monotonic()
            if found is None or len(records) >= _AT_ONCE or now - took >= _PATIENCE_S:
                self._index.take(topic, records)
                self._index.settle()
                records.clear()
                took = now
                if self._stopping.is_set():
                    return
            if now - looked >= _LOOK_S:
                self._look(topic)
                looked = now

    def _look(self, topic: str) -> None:
        """Note where the partitions begin and end. Raises Moved where what was read is not there any more."""
        kafka = self._settings.kafka
        if topic_ids(self._settings, [topic])[topic] != self._ids.get(topic):
            raise Moved(f"{topic} was made anew")
        found = watermarks(
            kafka.servers, self._settings.topic_prefix + topic, self._index.starts(topic), kafka.security
        )
        moved = self._index.look(topic, {partition: Bounds(*each) for partition, each in found.items()})
        self._say(topic, "")
        if moved:
            raise Moved(f"{topic}: partitions {sorted(moved)} are shorter than they were")

    def _say(self, topic: str, trouble: str) -> None:
        self._troubles[topic] = trouble
        self._index.trouble = "; ".join(filter(None, self._troubles.values()))
