"""Each platform in turn, with a provider of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from streams import settings
from streams.settings import Settings
from tests.integration.platforms.cases import Case, Running, running
from tests.integration.platforms.fcms import Fcms
from tests.integration.platforms.stubs import Stubs
from tests.integration.platforms.webhooks import Webhooks
from tests.integration.platforms.webpushes import Webpushes

CASES: dict[str, Callable[[pytest.MonkeyPatch], Case]] = {
    "stub": Stubs,
    "fcm": lambda _: Fcms(),
    "webhook": lambda _: Webhooks(),
    "webpush": lambda _: Webpushes(),
}


@pytest.fixture(scope="session")
def redis_settings(redis_address: tuple[str, int], redis_databases: Iterator[int]) -> Settings:
    """Settings with a database of Redis that is empty."""
    host, port = redis_address
    return Settings(redis=settings.Redis(host=host, port=port, database=next(redis_databases)))


@pytest_asyncio.fixture(params=CASES)
async def platform(
    request: pytest.FixtureRequest, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    """Each platform."""
    async with running(CASES[request.param](monkeypatch), redis_settings) as made:
        yield made
