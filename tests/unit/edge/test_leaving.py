"""An edge that ends keeps no connection."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.server import api


async def test_answers_close_their_connection_once_the_edge_drains() -> None:
    """Good ones and problems; not before."""
    draining: list[bool] = []

    async def found(request: web.Request) -> web.Response:
        return web.Response()

    app = api([[web.get("/found", found)]], draining=lambda: bool(draining))
    async with TestClient(TestServer(app)) as client:
        for expected in (None, "close"):
            for path in ("/found", "/nothing"):
                async with client.get(path) as response:
                    assert response.headers.get("Connection") == expected
            draining.append(True)
