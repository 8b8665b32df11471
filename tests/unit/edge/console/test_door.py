"""What the door makes of headers that no browser sends."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.auth.callers import Callers
from edge.console.door import SESSION, Door, guarded
from edge.console.sessions import Sessions
from edge.problems import problems


@pytest.mark.parametrize("origin", ["http://[", "//", "null", "", "http://127.0.0.1", "http://[::1"])
async def test_an_origin_that_is_not_the_consoles_is_refused(origin: str, tmp_path: Path) -> None:
    """Also one that is no origin at all."""
    door = Door(Callers(tmp_path / "callers.json"), Sessions(lambda: 0.0), https=False)
    app = web.Application(middlewares=[problems, guarded(door)])
    app.router.add_routes(door.routes())
    async with TestClient(TestServer(app)) as client:
        async with client.post(SESSION, json={"token": "x"}, headers={"Origin": origin}) as answer:
            assert (answer.status, (await answer.json())["title"]) == (403, "The request comes from another site")
        for own in ("http", "https"):
            headers = {"Origin": f"{own}://{client.host}:{client.port}"}
            async with client.post(SESSION, json={"token": "x"}, headers=headers) as answer:
                assert answer.status == 401
