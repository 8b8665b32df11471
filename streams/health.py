"""/livez, /readyz and /metrics of a process on a port of its own, served from a thread that only reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST


class Check(NamedTuple):
    """Whether a process is live or ready, and the sentence that says why."""

    good: bool
    why: str


class Probes(NamedTuple):
    """What the port answers with."""

    live: Callable[[], Check]
    ready: Callable[[], Check]
    registry: CollectorRegistry


@contextmanager
def serve_health(host: str, port: int, probes: Probes) -> Iterator[int]:
    """Serve until the block is left; gives the port in use. Port 0 serves nothing. Raises OSError."""
    if not port:
        yield 0
        return
    server = ThreadingHTTPServer((host, port), _handler(probes))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(probes: Probes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "lockstep"
        sys_version = ""

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(probes.registry), CONTENT_TYPE_LATEST)
            elif self.path in ("/livez", "/readyz"):
                check = probes.live() if self.path == "/livez" else probes.ready()
                self._answer(200 if check.good else 503, f"{check.why}\n".encode(), "text/plain; charset=utf-8")
            else:
                self._answer(404, b"not found\n", "text/plain; charset=utf-8")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Probes come every few seconds; they are not worth a line."""

    return Handler
