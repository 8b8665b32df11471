"""Scripts of web pages from other origins: those that are named may call, others are told nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.server import api

PAGE = "https://tv.example"
ASKS = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}


async def call(origins: Sequence[str], method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer."""

    async def found(request: web.Request) -> web.Response:
        return web.Response(headers={"Vary": "Accept-Encoding"})

    async with TestClient(TestServer(api([[web.get("/found", found)]], origins))) as client:
        response = await client.request(method, path, headers=headers)
        return response.status, dict(response.headers)


@pytest.mark.parametrize("origins", [(PAGE,), ("https://other.example", PAGE), ("*",)])
async def test_a_page_that_is_named_may_ask_call_and_read(origins: tuple[str, ...]) -> None:
    """The browser's question before the call, the call, and an error of it, whose Retry-After can be read."""
    status, headers = await call(origins, "OPTIONS", "/found", ASKS)
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert {"PUT", "GET", "POST", "DELETE"} == set(headers["Access-Control-Allow-Methods"].split(", "))
    assert "Authorization" in headers["Access-Control-Allow-Headers"]
    for path, expected in (("/found", 200), ("/nowhere", 404)):
        status, headers = await call(origins, "GET", path, {"Origin": PAGE})
        assert (status, headers["Access-Control-Allow-Origin"]) == (expected, PAGE)
        assert "Retry-After" in headers["Access-Control-Expose-Headers"]
        assert headers["Vary"].endswith("Origin")


async def test_other_pages_and_other_callers_are_told_nothing() -> None:
    """A cache that holds the answer for one origin does not give it to another."""
    for method, sent in (("OPTIONS", {**ASKS, "Origin": "https://evil.example"}), ("GET", {})):
        _, headers = await call((PAGE,), method, "/found", sent)
        assert "Access-Control-Allow-Origin" not in headers
        assert "Origin" in headers["Vary"]


async def test_without_origins_nothing_is_added() -> None:
    """As shipped."""
    status, headers = await call((), "OPTIONS", "/found", ASKS)
    assert (status, headers.get("Vary")) == (405, None)
    _, headers = await call((), "GET", "/found", {"Origin": PAGE})
    assert (headers["Vary"], "Access-Control-Allow-Origin" in headers) == ("Accept-Encoding", False)
