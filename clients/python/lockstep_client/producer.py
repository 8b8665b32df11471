"""Publishes events over HTTP: in batches, again where the edge asks for it, and with a result for each."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import uuid
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiohttp

from lockstep_client.connection import answer_of
from lockstep_client.rules import Backoff, Refused

Event = dict[str, Any]
_BATCH: Final = "application/cloudevents-batch+json"
_TAKEN: Final = 202
#: Statuses of an event after which the same may go better a little later.
_LATER: Final = (408, 425, 429)
_ANSWER_S: Final = 30.0
_CONNECT_S: Final = 10.0


class Placed(NamedTuple):
    """Where an event lies in `ingest`: from now on it is not lost."""

    partition: int
    offset: int


class Unpublished(Exception):
    """Nobody knows whether lockstep has the event: in all the time there was, it did not say so.

    Send it again with the same id: an id takes effect once.
    """

    def __init__(self, event: Event, why: str) -> None:
        super().__init__(f"{event.get('id')} may not be published: {why}")
        self.event = event


Result = Placed | Refused | Unpublished


def cloud_event(type_: str, account: str, source: str, data: Any = None, **attributes: Any) -> Event:
    """An event with a fresh id, of now; `attributes` add to that or replace it. `data`: what JSON can say, or bytes."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {
        "specversion": "1.0", "id": uuid.uuid4().hex, "source": source, "type": type_, "subject": account, "time": now,
    }  # fmt: skip
    if isinstance(data, bytes):
        event |= {"datacontenttype": "application/octet-stream", "data_base64": base64.b64encode(data).decode()}
    elif data is not None:
        event |= {"datacontenttype": "application/json", "data": data}
    return event | attributes


class _Waiting(NamedTuple):
    """An event that waits for its result until `end`, steady s."""

    event: Event
    text: bytes
    end: float
    result: asyncio.Future[Result]


class Producer:
    """A producer at the edge `base` (`https://host`). An async context manager: leaving it waits for all results.

    What is published at the same time shares a request. One request is under way at a time, so events keep the order
    in which they were given; only one that has to be sent again comes after others of its batch.
    """

    def __init__(
        self,
        base: str,
        token: str,
        *,
        patience: float = 60.0,
        linger: float = 0.005,
        batch_events: int = 500,
        batch_bytes: int = 1_000_000,
        most: int = 10_000,
    ) -> None:
        """`patience`: s for which an event is tried. `linger`: s for which others are waited for to share a request.

        `most`: events that may wait here; who publishes more waits with them.
        """
        self._url = base.rstrip("/") + "/v1/events"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": _BATCH}
        self._patience = patience
        self._linger = linger
        self._most_events = batch_events
        self._most_bytes = batch_bytes
        self._room = asyncio.Semaphore(most)
        self._queue: deque[_Waiting] = deque()
        self._sending: list[_Waiting] = []
        self._work = asyncio.Event()
        self._backoff = Backoff(random.SystemRandom().random)
        self._leaving = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start sending."""
        self._leaving = False
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until each event has its result."""
        self._leaving = True
        self._work.set()
        if self._task is not None:
            await self._task

    async def publish(self, event: Event) -> Placed:
        """Publish one event. Raises Refused where it will never be taken, and Unpublished where time was up."""
        result = await self.result(event)
        if not isinstance(result, Placed):
            raise result
        return result

    async def publish_all(self, events: Iterable[Event]) -> list[Result]:
        """Publish events in their order; what became of each."""
        return list(await asyncio.gather(*map(self.result, events)))

    async def result(self, event: Event) -> Result:
        """Publish one event; what became of it. Raises TypeError for one that is no JSON."""
        if self._task is None or self._leaving or self._task.done():
            raise RuntimeError("a Producer is used inside `async with`")
        text = json.dumps(event, separators=(",", ":")).encode()
        loop = asyncio.get_running_loop()
        async with self._room:
            waiting = _Waiting(event, text, loop.time() + self._patience, loop.create_future())
            self._queue.append(waiting)
            self._work.set()
            return await waiting.result

    # -- sending

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S, connect=_CONNECT_S)
        try:
            async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
                while await self._has_work():
                    self._sending = self._next_batch()
                    if self._sending:
                        await self._send(session, self._sending)
        finally:  # a defect or a cancellation: nobody waits for ever
            for waiting in (*self._sending, *self._queue):
                _tell(waiting, Unpublished(waiting.event, "the producer has ended"))

    async def _has_work(self) -> bool:
        """Wait for events; False where none will come."""
        if not self._queue and not self._leaving:
            self._work.clear()
            await self._work.wait()
            await asyncio.sleep(0 if self._leaving else self._linger)
        return bool(self._queue) or not self._leaving

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 2
        while self._queue and len(batch) < self._most_events:
            size += len(self._queue[0].text) + 1
            if batch and size > self._most_bytes:
                break
            waiting = self._queue.popleft()
            if not waiting.result.done():  # its publisher was cancelled
                batch.append(waiting)
        return batch

    async def _send(self, session: aiohttp.ClientSession, batch: Sequence[_Waiting]) -> None:
        after = 0.0
        try:
            answer = await self._post(session, batch)
        except Refused as refused:
            after = refused.retry_after
            if refused.status == 413 and len(batch) > 1:
                self._most_events, self._most_bytes = max(1, len(batch) // 2), max(1, self._most_bytes // 2)
                again = list(batch)
            else:
                again = self._settle(batch, refused)
            why = str(refused)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            again, why = list(batch), str(error) or type(error).__name__
        else:
            again, why, after = self._take(batch, answer)
        if again:
            await self._later(again, why, after)
        else:
            self._backoff.reset()

    async def _post(self, session: aiohttp.ClientSession, batch: Sequence[_Waiting]) -> tuple[list[Any], float]:
        """The results of the events, and the s after which to come back. Raises Refused where there is none of each."""
        body = b"[" + b",".join(waiting.text for waiting in batch) + b"]"
        async with session.post(self._url, data=body) as response:
            try:
                answer: Mapping[str, Any] = await answer_of(response)
            except Refused as refused:
                answer = refused.problem
                if len(answer.get("results", ())) != len(batch):
                    raise
            if len(answer.get("results", ())) != len(batch):
                raise ValueError("the answer does not have one result for each event")
            after = response.headers.get("Retry-After", "")
            return list(answer["results"]), float(after) if after.isdecimal() else 0.0

    def _settle(self, batch: Sequence[_Waiting], refused: Refused) -> list[_Waiting]:
        """Those to be sent again where the whole request was refused."""
        if refused.cure.name == "AGAIN":
            return list(batch)
        for waiting in batch:
            _tell(waiting, refused)
        return []

    def _take(self, batch: Sequence[_Waiting], answer: tuple[list[Any], float]) -> tuple[list[_Waiting], str, float]:
        """Tell each event what became of it; those to be sent again, why, and after how many s."""
        results, after = answer
        again, why = [], ""
        for waiting, result in zip(batch, results, strict=True):
            status = int(result["status"])
            if status == _TAKEN:
                _tell(waiting, Placed(result["partition"], result["offset"]))
            elif status in _LATER or status >= 500:
                again.append(waiting)
                why = f"{status} {result.get('type', '')}: {result.get('detail', '')}"
            else:
                _tell(waiting, Refused(status, result))
        return again, why, after

    async def _later(self, again: Sequence[_Waiting], why: str, after: float) -> None:
        """Put them in front again after a pause, but for those whose time is up by then."""
        pause = after + self._backoff.next()
        now = asyncio.get_running_loop().time()
        left = []
        for waiting in again:
            if waiting.end <= now + pause:
                _tell(waiting, Unpublished(waiting.event, why))
            else:
                left.append(waiting)
        if left:
            await asyncio.sleep(pause)
            self._queue.extendleft(reversed(left))


def _tell(waiting: _Waiting, result: Result) -> None:
    if not waiting.result.done():
        waiting.result.set_result(result)
