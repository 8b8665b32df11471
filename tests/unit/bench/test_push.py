"""What `make bench-push` counts as wrong."""

from __future__ import annotations

import json

import pytest
from aiohttp.test_utils import make_mocked_request

from bench.push import misplaced
from bench.push_servers import Providers
from tests.integration.platforms.apple import Request


@pytest.mark.parametrize(
    ("taken", "wrong"), [([2, 0, 1], 0), ([0, 1], 1), ([0, 1, 2, 1], 1), ([0, 1, 1], 2), ([0, 1, 2, 7], 1), ([], 3)]
)
def test_what_is_missing_or_came_again_is_wrong(taken: list[int], wrong: int) -> None:
    """Of three notifications, whose order does not matter."""
    assert misplaced(taken, 3) == wrong


async def test_a_provider_tells_of_every_time_that_it_took_a_notification() -> None:
    """And forgets what it has told."""
    providers = Providers()
    body = json.dumps({"item": {"data": {"n": 4}}}).encode()
    for _ in range(2):
        providers.apple("token", Request({}, body))
    asked = make_mocked_request("GET", "/told")
    for apns in ([4, 4], []):
        said = (await providers.told(asked)).text
        assert json.loads(said or "")["apns"] == apns
