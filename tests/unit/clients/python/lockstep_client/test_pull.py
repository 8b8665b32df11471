"""Pulls that find nothing new: the tag of the last page is shown, and the edge says when to ask again."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from lockstep_client import DeviceClient, Page


@pytest.mark.parametrize(("said", "after"), [({"Poll-After": "2400"}, 2400), ({}, 30)])
async def test_an_edge_that_is_busy_keeps_idle_devices_away(said: dict[str, str], after: int) -> None:
    """An edge of an earlier release does not say how long."""
    tags: list[str] = []

    async def pull(request: web.Request) -> web.Response:
        tags.append(request.headers.get("If-None-Match", ""))
        if tags[-1]:
            return web.Response(status=304, headers={"ETag": tags[-1], **said})
        page = {"items": [], "next_cursor": "newer", "more": False, "poll_after": 282}
        return web.json_response(page, headers={"ETag": '"1-2"'})

    app = web.Application()
    app.router.add_get("/v1/devices/tv/notifications", pull)
    async with TestServer(app) as server, DeviceClient(str(server.make_url("")), "tv", "token") as client:
        assert await client.pull() == Page([], more=False, poll_after=282)
        for _ in range(2):
            assert await client.pull() == Page([], more=False, poll_after=after)
            assert client.cursor == "newer"
    assert tags == ["", '"1-2"', '"1-2"']
