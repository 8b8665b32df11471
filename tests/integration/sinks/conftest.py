"""Stores on real servers, in a keyspace of the run's own."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from sinks import cassandra, redis
from sinks.cassandra import Cassandra, apply_schema
from sinks.devices import Registry
from sinks.gateways import Lease
from sinks.redis import Redis
from streams import settings
from streams.envelope import Envelope
from streams.settings import Settings
from tests.integration.sinks.stores import LANE, Bench, Fresh, open_bench
from tests.unit.fakes import shipped_topology
from tests.unit.sinks.make import envelope


@pytest.fixture(scope="session")
def store_settings(cassandra_address: tuple[str, int], redis_address: tuple[str, int]) -> Settings:
    """Settings of both stores; the schema is applied."""
    host, port = cassandra_address
    made = Settings(
        cassandra=settings.Cassandra(contact_points=(host,), port=port, keyspace=f"sinks_{uuid.uuid4().hex[:8]}"),
        redis=settings.Redis(host=redis_address[0], port=redis_address[1]),
    )
    applied = asyncio.run(apply_schema(made))
    tables = ("devices", "inbox", "last_seen", "revocations")
    assert applied == [made.cassandra.keyspace, *(f"{made.cassandra.keyspace}.{table}" for table in tables)]
    return made


@pytest_asyncio.fixture
async def disk(store_settings: Settings) -> AsyncIterator[Cassandra]:
    """A session."""
    async with cassandra.connect(store_settings) as opened:
        yield opened


@pytest_asyncio.fixture
async def memory(store_settings: Settings) -> AsyncIterator[Redis]:
    """A connection."""
    async with redis.connect(store_settings) as opened:
        yield opened


@pytest_asyncio.fixture
async def registry(disk: Cassandra, memory: Redis) -> Registry:
    """A registry with the shipped types and platforms."""
    return await Registry.open(disk, memory, shipped_topology())


@pytest.fixture
def account() -> str:
    """An account that no other test has, not all of it ASCII."""
    return f"ännä-{uuid.uuid4().hex[:8]}"


@pytest_asyncio.fixture
async def lease(memory: Redis) -> AsyncIterator[Lease]:
    """A gateway that is alive."""
    async with Lease(memory, "host:1", 30) as held:
        yield held


@pytest_asyncio.fixture
async def bench(store_settings: Settings, lease: Lease) -> AsyncIterator[Bench]:
    """The stage on the stores of the run; its view of the gateways is younger than the lease."""
    async with AsyncExitStack() as stack:
        yield await open_bench(store_settings, stack)


@pytest.fixture
def fresh(account: str) -> Fresh:
    """Makes notifications of now."""

    def make(offset: int, **changes: Any) -> Envelope:
        now = int(time.time() * 1000)
        times = {"time": now, "appended": now, "deadline": now + 60_000, "expires": now + 3_600_000}
        return envelope(offset, **{"account": account, "lane": LANE, **times, **changes})

    return make
