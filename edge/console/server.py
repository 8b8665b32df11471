"""The console of one process: its sessions, its pages, its connections."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiohttp import web

from edge.callers import BadCallers, Callers
from edge.console import pipeline
from edge.console.answers import careful
from edge.console.door import Door, guarded
from edge.console.files import Files
from edge.console.health import Health
from edge.console.sessions import Sessions
from edge.problems import problems
from streams.health import Probes, serve_health
from streams.metrics import Metrics
from streams.settings import Settings
from streams.topology import Topology

_RELOAD_S: Final = 10.0
_MAX_REQUEST: Final = 256 * 1024
log = logging.getLogger(__name__)


class Running(NamedTuple):
    """A console that serves: its ports, and tasks of which none ends by itself."""

    port: int
    health_port: int
    tasks: tuple[asyncio.Task[None], ...]


async def serve(settings: Settings, topology: Topology) -> None:
    """Serve until cancelled. Raises OSError for a port that is taken, BadCallers, and what stopped a task."""
    async with running(settings, topology) as console:
        log.info("the console is at http://%s:%d", settings.console.host, console.port)
        ended, _ = await asyncio.wait(console.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()


@asynccontextmanager
async def running(settings: Settings, topology: Topology) -> AsyncIterator[Running]:
    """A console; leaving the block ends it. See `serve`."""
    callers = Callers(Path(settings.ingest.callers))
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(_listening(settings.console.host, settings.console.port))
        sessions = Sessions(time.monotonic)
        door = Door(callers, sessions, settings.console.https)
        health = Health(sessions)
        app = application(settings, topology, door)
        tasks = await _start(stack, health.run(), _reload(callers))
        await _open(stack, app, listening)
        metrics = Metrics()
        health.export(metrics)
        probes = Probes(health.live, health.ready, metrics.registry)
        health_port = stack.enter_context(serve_health(settings.health.host, settings.health.port, probes))
        yield Running(listening.getsockname()[1], health_port, tasks)


def application(settings: Settings, topology: Topology, door: Door) -> web.Application:
    """All pages and calls."""
    edge = pipeline.edge_of(settings)["http"]
    app = web.Application(middlewares=[problems, guarded(door)], client_max_size=_MAX_REQUEST)
    app.on_response_prepare.append(careful(edge))
    for routes in (door.routes(), pipeline.routes(settings, topology), Files().routes()):
        app.router.add_routes(routes)
    return app


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


async def _open(stack: AsyncExitStack, app: web.Application, listening: socket.socket) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listening).start()


async def _start(stack: AsyncExitStack, *work: Coroutine[Any, Any, None]) -> tuple[asyncio.Task[None], ...]:
    tasks = tuple(asyncio.create_task(each) for each in work)

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(stop)
    return tasks


async def _reload(callers: Callers) -> None:
    """Operators come and go."""
    while True:
        await asyncio.sleep(_RELOAD_S)
        try:
            callers.reload()
        except BadCallers:
            log.exception("a file cannot be used, what it held before stays")
