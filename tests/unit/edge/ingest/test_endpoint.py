"""The endpoint of producers on a Kafka that only remembers, and says what it is told to say."""

from __future__ import annotations

import asyncio
import gc
import time
from concurrent.futures import Future
from typing import Any, cast

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from edge.auth.callers import Producer
from edge.ingest.endpoint import PATH, Ingest, Placed
from edge.server import api
from streams.event_schemas import Payloads
from streams.settings import read_settings
from streams.transport.client import PublishFailed, PublishRefused
from tests.unit.fakes import shipped_topology

HEADERS = {"Authorization": "Bearer x", "Content-Type": "application/cloudevents+json"}
EVENT = {"specversion": "1.0", "source": "/s", "type": "member.plan.changed", "subject": "alice", "data": {}}


class Kafka:
    """Takes no record: says `first` of the first at once, and nothing of the others before it is told to."""

    def __init__(self, first: PublishFailed) -> None:
        self.waiting: list[Placed] = []
        self._first = first
        self._asked = False

    def __call__(self, *_: object) -> Placed:
        """One more record."""
        placed: Placed = Future()
        placed.set_running_or_notify_cancel()
        if self._asked:
            self.waiting.append(placed)
        else:
            placed.set_exception(self._first)
        self._asked = True
        return placed


class Everybody:
    """In the place of the callers: one producer, whatever its token."""

    def producer(self, token: str) -> Producer:
        """It may publish anything."""
        return Producer(name="billing", tokens=("0" * 64,), types=("*",))


class Shop:
    """A producer, and the endpoint that it posts to."""

    def __init__(self, kafka: Kafka) -> None:
        settings, callers = read_settings({"LOCKSTEP_INGEST__TIMEOUT": "0.05"}), cast(Any, Everybody())
        self.ingest = Ingest(settings, shipped_topology(), callers, cast(Any, kafka), Payloads({}), time.time)
        self._server = TestServer(api([self.ingest.routes()]))

    async def post(self, id_: str) -> tuple[int, dict[str, Any]]:
        """Status and result of an event."""
        now = time.strftime("%FT%TZ", time.gmtime())
        body = msgspec.json.encode({**EVENT, "id": id_, "time": now})
        async with self._client.post(PATH, headers=HEADERS, data=body) as response:
            return response.status, (await response.json())["results"][0]

    async def __aenter__(self) -> Shop:
        self._client = await TestClient(self._server).__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


async def test_a_failure_is_told_to_the_producer_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Whether it comes in time or later: no log holds a trace for each event that Kafka did not take."""
    kafka = Kafka(PublishFailed("no broker"))
    async with Shop(kafka) as shop:
        status, result = await shop.post("early")
        assert (status, "no broker" in result["detail"], shop.ingest.waiting) == (503, True, 0)
        status, result = await shop.post("late")
        assert (status, "did not answer" in result["detail"], shop.ingest.waiting) == (503, True, 1)
        kafka.waiting.pop().set_exception(PublishFailed("no broker"))
        await asyncio.sleep(0)  # what that told the loop has its turn
        gc.collect()
        assert (shop.ingest.waiting, shop.ingest.counts.failed) == (0, 2)
    assert not caplog.records


async def test_what_kafka_can_never_take_is_not_to_be_sent_again() -> None:
    """Where topics take less than the limit of an event says."""
    async with Shop(Kafka(PublishRefused("ingest: too large"))) as shop:
        status, result = await shop.post("large")
        assert (status, result["type"]) == (413, "urn:lockstep:problem:event-oversized")
        assert (shop.ingest.counts.refused, shop.ingest.counts.failed) == (1, 0)
