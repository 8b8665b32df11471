"""POST /v1/events: events of producers who speak HTTP, answered once the broker has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from math import ceil
from typing import Final, NamedTuple

from aiohttp import web

from agents.gates import Gates, unknown_type
from edge.auth.access import bearer
from edge.auth.buckets import Bucket
from edge.auth.callers import Callers, Producer
from edge.bodies import read_body
from edge.ingest import binding
from edge.ingest.binding import BadBatch, Incoming, UnknownFormat
from edge.ingest.results import RETRY_AFTER_S, Result, answer
from edge.problems import Problem, bad_token
from edge.reports import Output
from streams.event import BadEvent
from streams.event_schemas import Payloads
from streams.policies import policies
from streams.settings import Settings
from streams.topology import Topology
from streams.transport.client import PublishRefused

PATH: Final = "/v1/events"
Placed = Future[tuple[int, int]]


class Counts(NamedTuple):
    """Events by what became of them."""

    taken: int = 0
    refused: int = 0
    limited: int = 0
    failed: int = 0


class Ingest:
    """The endpoint. At most `in_flight` events wait for the broker; more are refused before anything is published."""

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        callers: Callers,
        output: Output,
        payloads: Payloads,
        clock: Callable[[], float],
    ) -> None:
        limits = settings.limits
        self._settings = settings.ingest
        self._callers = callers
        self._output = output
        self._topic = settings.topic_prefix + "ingest"
        self._payloads = payloads
        self._clock = clock
        self._types = frozenset(policies(topology))
        self._gates = Gates(limits, topology.device_types)
        self._event_bytes = limits.event_bytes
        self._buckets: dict[str, tuple[Producer, Bucket]] = {}
        self.waiting = 0
        self.counts = Counts()

    def routes(self) -> list[web.RouteDef]:
        """For the application of the edge."""
        return [web.post(PATH, self.events)]

    async def events(self, request: web.Request) -> web.Response:
        """Publish the events of a request."""
        producer = self._producer(request)
        content_type = request.headers.get("Content-Type", "")
        try:
            mode = binding.mode_of(content_type, request.headers)
        except UnknownFormat as error:
            raise Problem(415, "unsupported-media-type", "Events are not taken in this format", str(error)) from error
        most = self._settings.batch_bytes if mode == "batch" else self._event_bytes
        incoming = self._incoming(mode, content_type, request, await read_body(request, most))
        self._admit(producer, len(incoming))
        results = answer(await self._publish(producer, incoming))
        return web.Response(
            status=results.status, body=results.body, content_type=results.content_type, headers=results.headers
        )

    def _producer(self, request: web.Request) -> Producer:
        producer = self._callers.producer(bearer(request))
        if producer is None:
            raise bad_token("it is no producer's")
        return producer

    def _incoming(self, mode: binding.Mode, content_type: str, request: web.Request, body: bytes) -> list[Incoming]:
        if mode == "binary":
            return [binding.binary(content_type, list(request.headers.items()), body)]
        if mode == "structured":
            return [binding.structured(body)]
        try:
            events = binding.split(body)
        except BadBatch as error:
            raise Problem(400, "malformed-body", "The body cannot be read", str(error)) from error
        if len(events) > self._settings.batch_events:
            detail = f"{len(events)} events; a batch holds at most {self._settings.batch_events}"
            raise Problem(413, "batch-too-large", "The batch has too many events", detail)
        return [binding.structured(event) for event in events]

    def _admit(self, producer: Producer, number: int) -> None:
        """Raise Problem where the producer, or all of them, have published more than can be taken now."""
        known, bucket = self._buckets.get(producer.name, (None, None))
        if known != producer or bucket is None:
            bucket = Bucket(producer.rate, producer.burst, time.monotonic())
            self._buckets[producer.name] = producer, bucket
        wait = bucket.take(number, time.monotonic())
        if wait:
            self._count(limited=number)
            detail = f"{producer.rate:g} events a second are {producer.name}'s"
            raise Problem(429, "too-many-events", "Too many events", detail, retry_after=ceil(wait))
        if self.waiting + number > self._settings.in_flight:
            self._count(limited=number)
            detail = f"{self.waiting} events wait for Kafka already"
            raise Problem(503, "overloaded", "Events come faster than Kafka takes them", detail, RETRY_AFTER_S)

    async def _publish(self, producer: Producer, incoming: list[Incoming]) -> list[Result]:
        """Put all good events into the producer's queue, in their order, then wait for the broker's word on each."""
        sent = [self._send(producer, each) for each in incoming]
        waiting = [asyncio.wrap_future(placed) for placed in sent if not isinstance(placed, Problem)]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.timeout):
                await asyncio.gather(*waiting, return_exceptions=True)
        results = [self._result(each, placed) for each, placed in zip(incoming, sent, strict=True)]
        self._count(
            taken=sum(result.status == 202 for result in results),
            failed=sum(result.status == 503 for result in results),
            refused=sum(400 <= result.status < 500 for result in results),
        )
        return results

    def _send(self, producer: Producer, each: Incoming) -> Placed | Problem:
        problem = self._refusal(producer, each)
        if problem is not None:
            return problem
        try:
            placed = self._output(self._topic, each.key, each.value, each.headers)
        except BufferError:
            return Problem(503, "overloaded", "Events come faster than Kafka takes them", "it was not published")
        self.waiting += 1
        loop = asyncio.get_running_loop()
        placed.add_done_callback(lambda _: _from_thread(loop, self._landed))
        return placed

    def _landed(self) -> None:
        self.waiting -= 1

    def _refusal(self, producer: Producer, each: Incoming) -> Problem | None:
        """Why an event would be a dead letter; it is told here, where its producer hears it."""
        event = each.event
        if isinstance(event, BadEvent):
            return _bad_event(event.reason, event.detail)
        if not producer.may_publish(event.type):
            detail = f"{producer.name} publishes {', '.join(producer.types)}; this is {event.type!r}"
            return Problem(403, "type-not-allowed", "The producer may not publish this type", detail)
        if event.type in self._types:
            refusal = self._gates.bad(event, each.size, int(self._clock() * 1000))
        else:
            refusal = unknown_type(event)
        if refusal is not None:
            return _bad_event(refusal.reason or refusal.kind, refusal.detail)
        wrong = self._payloads.problem(event)
        return None if wrong is None else _bad_event("bad-data", wrong)

    def _result(self, each: Incoming, placed: Placed | Problem) -> Result:
        if isinstance(placed, Problem):
            return Result.refused(each.id, each.source, placed)
        if not placed.done():
            detail = f"Kafka did not answer within {self._settings.timeout:g} s; send it again with the same id"
        elif isinstance(error := placed.exception(), PublishRefused):
            return Result.refused(each.id, each.source, _bad_event("oversized", str(error)))
        elif error is not None:
            detail = f"{error}; send it again with the same id"
        else:
            return Result.taken(each.id, each.source, *placed.result())
        return Result.refused(each.id, each.source, Problem(503, "unavailable", "Kafka cannot be reached", detail))

    def _count(self, taken: int = 0, refused: int = 0, limited: int = 0, failed: int = 0) -> None:
        more = Counts(taken, refused, limited, failed)
        self.counts = Counts(*(a + b for a, b in zip(self.counts, more, strict=True)))


def _bad_event(reason: str, detail: str) -> Problem:
    """400, or 413 for one that is too large: the reasons are those of dead letters, and `bad-data`."""
    return Problem(413 if reason == "oversized" else 400, f"event-{reason}", "This is no event for lockstep", detail)


def _from_thread(loop: asyncio.AbstractEventLoop, done: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(done)
