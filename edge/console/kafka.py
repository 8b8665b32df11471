"""Reading topics for a request: each on a thread and a connection of its own, some at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, TypeVar

from edge.oncall.tracing import NotFound
from edge.problems import Problem
from streams.admin import AdminError
from streams.settings import Settings
from streams.transport.client import PublishFailed, Reader, ReadFailed, reader

T = TypeVar("T")
#: Requests that read at once; others wait, so long at most, s.
AT_ONCE: Final = 4
WAIT_S: Final = 20.0
log = logging.getLogger(__name__)


class Topics:
    """What Kafka answers becomes the answer of the request, and so does its absence."""

    def __init__(self, settings: Settings) -> None:
        self._kafka = settings.kafka
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def read(self, work: Callable[[Reader], T]) -> T:
        """What `work` makes of a reader, on a thread. Raises Problem."""

        def connected() -> T:
            with reader(self._kafka.servers, self._kafka.security) as source:
                return work(source)

        return await self.ask(connected)

    async def ask(self, work: Callable[[], T]) -> T:
        """What `work` gives, on a thread; it may take its time with Kafka. Raises Problem."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._turns.acquire()
        except TimeoutError:
            raise Problem(503, "busy", "Too much is being read", "the requests before this one take long") from None
        try:
            return await asyncio.to_thread(work)
        except NotFound as error:
            raise Problem(404, "not-found", "There is no such event", str(error)) from error
        except (ReadFailed, AdminError, PublishFailed) as error:
            log.warning("a request failed, Kafka did not answer: %s", error)
            raise Problem(503, "kafka-unavailable", "Kafka does not answer", str(error)) from error
        finally:
            self._turns.release()
