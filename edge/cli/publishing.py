"""Publishes records and prints, in their order and as the broker takes them, where they lie."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final

import click
import msgspec

from edge.ingest.outgoing import Outgoing
from streams.settings import Settings
from streams.transport.client import Publisher, PublishFailed

_IN_FLIGHT: Final = 10_000
_FULL: Final = 0.005  # s until a full queue is tried again
_Sent = tuple[Outgoing, "Future[tuple[int, int]]"]


class Sender:
    """Queues records; a thread of its own waits for the broker's word and prints it."""

    def __init__(self, publisher: Publisher, topic: str) -> None:
        self._publisher = publisher
        self._topic = topic
        self._sent: queue.Queue[_Sent | None] = queue.Queue(_IN_FLIGHT)
        self._failure: PublishFailed | OSError | None = None
        self._printer = threading.Thread(target=self._print, name="printer")
        self._printer.start()

    def send(self, event: Outgoing) -> None:
        """Queue one. Raises PublishFailed or OSError once one before it was not taken, or could not be printed."""
        if self._failure is not None:
            raise self._failure
        while True:
            try:
                placed = self._publisher.submit(self._topic, event.key, event.value, event.headers)
            except BufferError:
                time.sleep(_FULL)
            else:
                self._sent.put((event, placed))
                return

    def finish(self) -> None:
        """Wait for all of them. Raises what `send` raises."""
        self._sent.put(None)
        self._printer.join()
        if self._failure is not None:
            raise self._failure

    def _print(self) -> None:
        while (sent := self._sent.get()) is not None:
            event, placed = sent
            try:
                partition, offset = placed.result()
                line = {"id": event.id, "account": event.account, "partition": partition, "offset": offset}
                click.echo(msgspec.json.encode(line))
            except (PublishFailed, OSError) as error:  # a reader that has gone must not leave `send` with a full queue
                self._failure = self._failure or error


@contextmanager
def sending(settings: Settings) -> Iterator[Sender]:
    """A sender to `ingest`; leaving waits for all that was queued. Raises PublishFailed and OSError."""
    publisher = Publisher(settings.kafka.servers, **settings.kafka.security)
    sender = Sender(publisher, settings.topic_prefix + "ingest")
    try:
        yield sender
    finally:
        try:
            sender.finish()
        finally:
            publisher.close()
