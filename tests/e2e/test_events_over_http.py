"""An event that is posted over HTTP goes the way of all others."""

from __future__ import annotations

import aiohttp

from tests.e2e.events import event, terminal
from tests.e2e.household import Household
from tests.e2e.system import System


async def test_an_event_over_http_is_shown_once(running: System) -> None:
    """A second post of the same id is answered 202 as well, and ends as a duplicate."""
    token = running.pipeline.command("producer", "shop", "--type", "member.*").strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents-batch+json"}
    async with Household(running) as home, aiohttp.ClientSession(running.url, headers=headers) as http:
        screen = await home.on("tv")
        first, second = event(home.account), event(home.account)
        places = []
        for batch in ([first], [first, second]):
            async with http.post("/v1/events", json=batch) as response:
                assert response.status == 202
                places += [(each["partition"], each["offset"]) for each in (await response.json())["results"]]
        await screen.shows(first["id"], second["id"])
        assert (await terminal(running, places[1])).outcome.kind == "duplicate"
