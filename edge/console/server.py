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

from edge.auth.callers import BadCallers, Callers
from edge.console import pipeline
from edge.console.accounts import Accounts
from edge.console.answers import careful
from edge.console.dead_letters import DeadLetterPages
from edge.console.door import Door, guarded
from edge.console.events import Events
from edge.console.files import Files
from edge.console.flow.pages import Flow
from edge.console.flow.sampler import Sampler, addresses
from edge.console.health import Health
from edge.console.index.following import Following
from edge.console.index.store import Index
from edge.console.kafka import Topics
from edge.console.play import Play
from edge.console.publish import Publish
from edge.console.search import Search
from edge.console.sessions import Sessions
from edge.console.simulate import Simulate
from edge.console.stores import Later
from edge.console.what_if import WhatIf
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
    """Serve until cancelled. Raises OSError for a port that is taken, BadCallers, BadTarget, what stopped a task."""
    async with running(settings, topology) as console:
        log.info("the console is at http://%s:%d", settings.console.host, console.port)
        ended, _ = await asyncio.wait(console.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()


@asynccontextmanager
async def running(settings: Settings, topology: Topology) -> AsyncIterator[Running]:
    """A console; leaving the block ends it. See `serve`."""
    callers, targets = Callers(Path(settings.ingest.callers)), addresses(settings.console.targets)
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(_listening(settings.console.host, settings.console.port))
        sessions = Sessions(time.monotonic)
        door = Door(callers, sessions, settings.console.https)
        index = Index(Path(settings.data_dir) / "console", topology.partitions, settings.console.index_bytes)
        following = Following(settings, index)
        following.start()
        stack.push_async_callback(asyncio.to_thread, following.close)
        later = Later(settings, topology)
        publish = Publish(settings, door)
        stack.push_async_callback(asyncio.to_thread, publish.close)
        sampler = Sampler(targets, topology)
        health = Health(sessions, index)
        tasks = await _start(stack, health.run(), _reload(callers), later.run())
        await _open(stack, application(settings, topology, Parts(door, index, later, sampler, publish)), listening)
        stack.push_async_callback(sampler.close)
        metrics = Metrics()
        health.export(metrics)
        probes = Probes(health.live, health.ready, metrics.registry)
        health_port = stack.enter_context(serve_health(settings.health.host, settings.health.port, probes))
        yield Running(listening.getsockname()[1], health_port, tasks)


class Parts(NamedTuple):
    """What pages share."""

    door: Door
    found: Index
    later: Later
    sampler: Sampler
    publish: Publish


def application(settings: Settings, topology: Topology, parts: Parts) -> web.Application:
    """All pages and calls."""
    edge = pipeline.edge_of(settings)["http"]
    app = web.Application(middlewares=[problems, guarded(parts.door)], client_max_size=_MAX_REQUEST)
    app.on_response_prepare.append(careful(edge))
    door, index, later, topics = parts.door, parts.found, parts.later, Topics(settings)
    for routes in (
        door.routes(),
        pipeline.routes(settings, topology),
        Flow(parts.sampler, door).routes(),
        Search(settings, topology, index, topics, door).routes(),
        Events(settings, topology, topics, door).routes(),
        Accounts(settings, topology, index, topics, later, door).routes(),
        Simulate(settings, topology, index, topics, later, door).routes(),
        DeadLetterPages(settings, topology, topics, door).routes(),
        WhatIf(settings, topology, topics, door).routes(),
        Play(settings, topology, door).routes(),
        parts.publish.routes(),
        Files().routes(),
    ):
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
