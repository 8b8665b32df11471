"""Requests to a real Cassandra."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
from cassandra.cluster import ResponseFuture

from sinks.cassandra import Cassandra
from tests.integration.sinks.poll import until


@pytest.fixture
def _uncollected() -> Iterator[None]:
    """Nothing is freed but by its last user."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def requests() -> int:
    """How many of the driver's requests are in memory."""
    return sum(isinstance(each, ResponseFuture) for each in gc.get_objects())


@pytest.mark.usefixtures("_uncollected")
async def test_a_request_is_freed_when_it_is_over(disk: Cassandra) -> None:
    """A cycle a request is what a herd waits for when the collector frees them all at once."""
    before = requests()
    await asyncio.gather(*(disk.execute("SELECT key FROM system.local") for _ in range(50)))
    await until(lambda: requests() <= before)
