"""Problems: every error of a handler leaves as one."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from edge import problems
from sinks.cassandra import CassandraUnavailable
from sinks.redis import RedisUnavailable


@pytest.mark.parametrize(
    ("error", "status", "name", "header"),
    [
        (problems.bad_token("why"), 401, "bad-token", ("WWW-Authenticate", "Bearer")),
        (problems.wrong_device("tv"), 403, "wrong-device", ("Cache-Control", "no-store")),
        (problems.unknown_device("tv"), 404, "unknown-device", ("Cache-Control", "no-store")),
        (problems.malformed("cursor", "why"), 400, "malformed-cursor", ("Cache-Control", "no-store")),
        (problems.resync_required("why"), 410, "resync-required", ("Cache-Control", "no-store")),
        (RedisUnavailable("away"), 503, "unavailable", ("Retry-After", "5")),
        (CassandraUnavailable("away"), 503, "unavailable", ("Retry-After", "5")),
        (web.HTTPMethodNotAllowed("POST", ["GET"]), 405, "method-not-allowed", ("Allow", "GET")),
        (ZeroDivisionError("secret"), 500, "internal", ("Cache-Control", "no-store")),
    ],
)
async def test_an_error_is_a_problem(error: Exception, status: int, name: str, header: tuple[str, str]) -> None:
    """With its stable type; nothing of an unexpected one is told."""

    async def handler(request: web.Request) -> web.StreamResponse:
        raise error

    response = await problems.problems(make_mocked_request("GET", "/"), handler)
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    body = json.loads(response.body)
    assert (response.status, body["status"], body["type"]) == (status, status, f"urn:lockstep:problem:{name}")
    assert response.content_type == "application/problem+json"
    assert response.headers[header[0]] == header[1]
    assert "secret" not in response.body.decode()


async def test_a_redirect_is_no_problem() -> None:
    """It goes on as it is."""

    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/elsewhere")

    with pytest.raises(web.HTTPFound):
        await problems.problems(make_mocked_request("GET", "/"), handler)
