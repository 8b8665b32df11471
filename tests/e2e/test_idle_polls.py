"""The clients at an edge that has no sockets and nothing new, and is busy."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.e2e.household import until
from tests.e2e.subjects import Subject, playing


class Busy:
    """Notes what it is asked: the path, or the tag of a poll."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        """No socket; a page at first, then 304 and an hour of peace."""
        if request.method == "PUT":
            return web.json_response({"device": {}, "cursor": "first"})
        if request.path == "/v1/socket":
            self.asked.append("socket")
            return web.Response(status=403)
        tag = request.headers.get("If-None-Match", "")
        self.asked.append(tag or "page")
        if tag:
            return web.Response(status=304, headers={"ETag": tag, "Poll-After": "3600"})
        page = {"items": [], "next_cursor": "second", "more": False, "poll_after": 0}
        return web.json_response(page, headers={"ETag": '"tag"'})


@pytest.mark.parametrize("kind", ["python", "node"])
async def test_an_idle_device_stays_away_for_as_long_as_304_says(kind: str, tmp_path: Path) -> None:
    """It polls no more before it tries a socket again, whichever client it is made of."""
    edge, app = Busy(), web.Application()
    app.router.add_route("*", "/{path:.*}", edge.answer)
    async with TestServer(app) as server:
        subject = Subject("tv", lambda: "token")
        async with playing(kind, subject, str(server.make_url("")).rstrip("/"), tmp_path):
            await until(lambda: edge.asked.count("socket") >= 5, lambda: (edge.asked, subject))
        assert edge.asked == [*["socket"] * 3, "page", "socket", '"tag"', "socket"]
        assert subject.cursors.load() == "second"
