"""The page: files as they are, and the client of devices that the page plays with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from edge.console.door import API
from edge.problems import Problem

_HERE: Final = Path(__file__).parent
PAGE: Final = _HERE / "page"
CLIENT: Final = "lockstep.mjs"
#: In the wheel, and in a source tree.
_CLIENTS: Final = (_HERE / "client" / CLIENT, _HERE.parents[1] / "clients" / "javascript" / CLIENT)
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


class Files:
    """Serves a folder; a browser asks each time whether a file is still what it has."""

    def __init__(self, page: Path = PAGE) -> None:
        self._page = page.resolve()
        self._client = next((path for path in _CLIENTS if path.is_file()), _CLIENTS[0])

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console, behind all other routes."""
        return [
            web.get("/", self.index),
            web.get(f"/{CLIENT}", self.client),
            web.get("/{path:.+}", self.file),
        ]

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The page."""
        return _file(self._page / "index.html", request)

    async def client(self, request: web.Request) -> web.StreamResponse:
        """The client for JavaScript, as devices use it."""
        return _file(self._client, request)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A file of the page."""
        path = (self._page / request.match_info["path"]).resolve()
        if request.path.startswith(API) or not path.is_relative_to(self._page) or path.suffix not in TYPES:
            raise _nothing(request)
        return _file(path, request)


def _file(path: Path, request: web.Request) -> web.StreamResponse:
    """Raises Problem."""
    if not path.is_file():
        raise _nothing(request)
    headers = {hdrs.CACHE_CONTROL: "no-cache", hdrs.CONTENT_TYPE: TYPES[path.suffix]}
    return web.FileResponse(path, headers=headers)


def _nothing(request: web.Request) -> Problem:
    return Problem(404, "not-found", "Not Found", f"there is nothing at {request.path}")
