"""The page: files as they are, and the client of devices that the page plays with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import hdrs, web

from edge.console.door import API
from edge.problems import Problem
from edge.pull.encoding import CODECS, LEAST, choose

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
#: What gets smaller by being compressed.
_TEXTS: Final = (".html", ".css", ".js", ".mjs", ".json", ".svg", ".txt")


class Loaded(NamedTuple):
    """A file in memory: when it was changed and how large it was, what it holds, its tag, and it compressed."""

    changed: tuple[int, int]
    body: bytes
    tag: str
    packed: dict[str, bytes]


class Files:
    """Serves a folder; a browser asks each time whether a file is still what it has."""

    def __init__(self, page: Path = PAGE) -> None:
        self._page = page.resolve()
        self._client = next((path for path in _CLIENTS if path.is_file()), _CLIENTS[0])
        self._known: dict[Path, Loaded] = {}

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console, behind all other routes."""
        return [
            web.get("/", self.index),
            web.get(f"/{CLIENT}", self.client),
            web.get("/{path:.+}", self.file),
        ]

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The page."""
        return self._answer(self._page / "index.html", request)

    async def client(self, request: web.Request) -> web.StreamResponse:
        """The client for JavaScript, as devices use it."""
        return self._answer(self._client, request)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A file of the page."""
        asked = request.match_info["path"]
        if request.path.startswith(API) or "\0" in asked:  # which no file has in its name
            raise _nothing(request)
        path = (self._page / asked).resolve()
        if not path.is_relative_to(self._page) or path.suffix not in TYPES:
            raise _nothing(request)
        return self._answer(path, request)

    def _answer(self, path: Path, request: web.Request) -> web.Response:
        """A page is some forty files: they are answered from memory. Raises Problem."""
        loaded = self._load(path)
        if loaded is None:
            raise _nothing(request)
        headers = {hdrs.CACHE_CONTROL: "no-cache", hdrs.ETAG: loaded.tag, hdrs.VARY: hdrs.ACCEPT_ENCODING}
        if request.headers.get(hdrs.IF_NONE_MATCH) == loaded.tag:
            return web.Response(status=304, headers=headers)
        body, headers[hdrs.CONTENT_TYPE] = loaded.body, TYPES[path.suffix]
        coding = choose(request.headers.get(hdrs.ACCEPT_ENCODING, "")) if path.suffix in _TEXTS else ""
        if coding and len(body) >= LEAST:
            if coding not in loaded.packed:
                loaded.packed[coding] = CODECS[coding](body)
            body, headers[hdrs.CONTENT_ENCODING] = loaded.packed[coding], coding
        return web.Response(body=body, headers=headers)

    def _load(self, path: Path) -> Loaded | None:
        """The file as it is now; None where there is none."""
        try:
            found = path.stat()
            changed = found.st_mtime_ns, found.st_size
            loaded = self._known.get(path)
            if loaded is None or loaded.changed != changed:
                body = path.read_bytes()
                tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
                loaded = self._known[path] = Loaded(changed, body, tag, {})
        except OSError:  # a folder, or nothing
            return None
        return loaded


def _nothing(request: web.Request) -> Problem:
    return Problem(404, "not-found", "Not Found", f"there is nothing at {request.path}")
