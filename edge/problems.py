"""Errors of the HTTP interface: problem+json (RFC 9457) with types that never change."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from edge.stores import STORE_ERRORS
from streams.sizes import MAX_DEVICES

PREFIX: Final = "urn:lockstep:problem:"
_RETRY_AFTER_S: Final = 5
log = logging.getLogger(__name__)


class Problem(Exception):
    """A request that is refused. `name` is the stable end of the problem's type."""

    def __init__(
        self,
        status: int,
        name: str,
        title: str,
        detail: str = "",
        retry_after: int = 0,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """`retry_after`: seconds after which the same request may go better; 5 for any 503 that does not say.

        `extra`: further members of the problem.
        """
        super().__init__(f"{name}: {detail or title}")
        self.retry_after = retry_after or (_RETRY_AFTER_S if status == 503 else 0)
        self.status = status
        self.name = name
        self.title = title
        self.detail = detail
        self.extra = extra or {}

    def response(self) -> web.Response:
        """The response that tells it."""
        body = {"type": PREFIX + self.name, "title": self.title, "status": self.status, **self.extra}
        if self.detail:
            body["detail"] = self.detail
        headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        return web.Response(status=self.status, body=msgspec.json.encode(body), headers=headers)


def bad_token(detail: str) -> Problem:
    """401"""
    return Problem(401, "bad-token", "The token is not good", detail)


def wrong_device(device: str) -> Problem:
    """403"""
    return Problem(403, "wrong-device", "The token speaks for another device", f"it is not that of {device!r}")


def unknown_device(device: str) -> Problem:
    """404"""
    return Problem(404, "unknown-device", "The device is not registered", f"register {device!r} first")


def too_many_devices() -> Problem:
    """409"""
    detail = f"at most {MAX_DEVICES}: delete one that is gone"
    return Problem(409, "too-many-devices", "The account has as many devices as it may", detail)


def malformed(name: str, detail: str) -> Problem:
    """400: `malformed-<name>`"""
    return Problem(400, f"malformed-{name}", f"The {name} cannot be read", detail)


def resync_required(why: str) -> Problem:
    """410"""
    detail = f"{why}: load the whole state, then start without a cursor"
    return Problem(410, "resync-required", "Notifications may have been missed", detail)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error leaves as a problem."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        name = error.reason.lower().replace(" ", "-")
        return _with_allow(Problem(error.status, name, error.reason).response(), error)
    except STORE_ERRORS as error:
        log.warning("a request failed, a store cannot be reached: %s", error)
        return Problem(503, "unavailable", "A store cannot be reached", "try again later").response()
    except Exception:
        log.exception("a request failed: %s %s", request.method, request.rel_url.path)
        return Problem(500, "internal", "Internal error").response()


def _with_allow(response: web.Response, error: web.HTTPException) -> web.Response:
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
