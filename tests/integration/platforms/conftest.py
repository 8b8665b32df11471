"""Each platform in turn, with a provider of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from msgspec.structs import replace

from streams import settings
from streams.settings import Settings
from tests.integration.platforms.all import CASES
from tests.integration.platforms.cases import Running, running
from tests.integration.platforms.stubs import Stubs


@pytest.fixture(scope="session")
def redis_settings(redis_address: tuple[str, int], redis_databases: Iterator[int]) -> Settings:
    """Settings with a database of Redis that is empty."""
    host, port = redis_address
    return Settings(redis=settings.Redis(host=host, port=port, database=next(redis_databases)))


@pytest.fixture
def own_redis(redis_settings: Settings, redis_databases: Iterator[int]) -> Settings:
    """Settings with a database that no other test has: Apple's token stands there, and Apple is a new one."""
    return replace(redis_settings, redis=replace(redis_settings.redis, database=next(redis_databases)))


@pytest_asyncio.fixture(params=["stub", *CASES])
async def platform(
    request: pytest.FixtureRequest, own_redis: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    """Each platform."""
    case = Stubs(monkeypatch) if request.param == "stub" else CASES[request.param]()
    async with running(case, own_redis) as made:
        yield made
