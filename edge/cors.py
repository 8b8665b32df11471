"""Lets scripts of web pages call the edge from other origins (CORS); tokens come in a header, cookies never."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

ANY: Final = "*"
_EXPOSED: Final = "ETag, Poll-After, Retry-After"
#: A browser asks before its first call, and again after so long, s.
_PREFLIGHT: Final = {
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, PUT, DELETE",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type, If-None-Match",
    hdrs.ACCESS_CONTROL_MAX_AGE: "7200",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def cors(origins: Sequence[str]) -> Middleware:
    """A middleware that lets pages of these origins read the answers, and answers what browsers ask beforehand."""

    @web.middleware
    async def allowing(request: web.Request, handler: Handler) -> web.StreamResponse:
        asks = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        origin = request.headers.get(hdrs.ORIGIN, "")
        response = web.Response(status=204, headers=_PREFLIGHT) if asks else await handler(request)
        if origin and (ANY in origins or origin in origins):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
        response.headers[hdrs.VARY] = ", ".join(filter(None, (response.headers.get(hdrs.VARY), hdrs.ORIGIN)))
        return response

    return allowing
