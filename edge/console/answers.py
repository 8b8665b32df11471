"""Answers of the console: JSON that nobody keeps, and headers that let a browser do no more than the page needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

Signal = Callable[[web.Request, web.StreamResponse], Awaitable[None]]
NO_STORE: Final = "no-store"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def as_json(value: Any) -> web.Response:
    """A value of builtin types or structs."""
    body = msgspec.json.encode(value)
    return web.Response(body=body, content_type="application/json", headers={hdrs.CACHE_CONTROL: NO_STORE})


def policy(edge: str) -> str:
    """The Content-Security-Policy of a page that talks to this origin, and to the edge as a device does."""
    sockets = edge.replace("http", "ws", 1)
    parts = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        f"connect-src 'self' {edge} {sockets}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return "; ".join(parts)  # fmt: skip


def careful(edge: str) -> Signal:
    """What puts these headers on every answer, before its head is sent."""
    headers = {**_HEADERS, "Content-Security-Policy": policy(edge)}

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)

    return add
