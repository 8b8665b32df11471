"""What stores look like to their clients."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest

from streams.client_metrics import ClientMetrics
from streams.metrics import Metrics
from streams.settings import Settings
from streams.stage import Resources


def test_requests_are_timed_and_failures_counted() -> None:
    """A request that raises is a failure and no time; both are shown from the start."""
    watch, metrics = ClientMetrics("redis"), Metrics()
    watch.export(metrics)
    assert b"lockstep_redis_failures_total 0.0" in generate_latest(metrics.registry)
    with watch.request():
        pass
    with pytest.raises(KeyError), watch.request():
        raise KeyError
    shown = generate_latest(metrics.registry)
    assert b"lockstep_redis_failures_total 1.0" in shown
    assert b"lockstep_redis_request_seconds_count 1.0" in shown
    assert watch.took.sum > 0


async def test_a_store_shows_its_numbers_once_a_stage_has_opened_it() -> None:
    """Once, however many stages ask; what counts nothing shows nothing."""
    metrics = Metrics()

    @asynccontextmanager
    async def store(_settings: Settings) -> Any:
        yield SimpleNamespace(watch=ClientMetrics("cassandra"))

    @asynccontextmanager
    async def other(_settings: Settings) -> Any:
        yield object()

    async with AsyncExitStack() as stack:
        resources = Resources(Settings(), stack, metrics)
        for connect in (store, other, store):
            await resources.get(connect)
        assert generate_latest(metrics.registry).count(b"lockstep_cassandra_failures_total 0.0") == 1
