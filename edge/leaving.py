"""The end of an edge over HTTP: each answer closes its connection, so that the next request goes elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def leaving(draining: Callable[[], bool]) -> Middleware:
    """A middleware that lets no connection be kept while the edge drains: it would break under a request."""

    @web.middleware
    async def closing(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if draining():
            response.force_close()
        return response

    return closing
