"""Bodies of requests: what cannot be read is said, whoever reads it."""

from __future__ import annotations

import gzip

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.bodies import read_body, read_small
from edge.server import api


async def small(request: web.Request) -> web.Response:
    """Gives back what it was sent."""
    return web.Response(body=await read_small(request))


async def bounded(request: web.Request) -> web.Response:
    """The same, up to 100 bytes."""
    return web.Response(body=await read_body(request, 100))


@pytest.mark.parametrize("path", ["/small", "/bounded"])
@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (gzip.compress(b"x" * 100, mtime=0), 200, ""),
        (b"no gzip", 400, "malformed-body"),
        (gzip.compress(b"x" * 100_000, mtime=0), 413, "too-large"),
    ],
)
async def test_a_compressed_body(path: str, body: bytes, status: int, problem: str) -> None:
    """It is what is inside that counts; one that is not what it says is an error of who sent it."""
    app = api([[web.put("/small", small), web.put("/bounded", bounded)]])
    async with (
        TestClient(TestServer(app)) as client,
        client.put(path, data=body, headers={"Content-Encoding": "gzip"}) as response,
    ):
        answer = await response.text()
        assert (response.status, problem in answer) == (status, True)
