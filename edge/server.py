"""The composition root of `lockstep edge`: stores, gateway, HTTP, ports and background tasks."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from aiohttp import web

from edge.auth.callers import BadCallers
from edge.auth.guard import check_files, open_guard
from edge.auth.revoking import Revoking
from edge.auth.tokens import BadKeys
from edge.cors import cors
from edge.devices import Devices
from edge.health import Health, export
from edge.ingest.endpoint import Ingest
from edge.leaving import leaving
from edge.load import Load
from edge.operators import Operators
from edge.problems import problems
from edge.protocol import Sessions
from edge.pull.endpoint import Pull
from edge.pull.quick import QuickHandler, QuickPolls
from edge.pull.waits import Waits
from edge.reports import Reports
from edge.sockets.backlog import Backlog
from edge.sockets.connection import Connection
from edge.sockets.gateway import TURNS, Gateway
from edge.sockets.push_port import PushPort, PushProtocol
from edge.sockets.recovery import Recovery
from edge.sockets.sweep import Sweep
from edge.sockets.upgrade import Upgrades
from edge.stores import Stores, type_bits
from sinks import cassandra, redis
from sinks.devices import Registry
from sinks.erasure import Erasure
from sinks.heads import Heads
from sinks.inbox import InboxReader
from sinks.presence import Lease, Presence
from sinks.seal import Seal
from sinks.tracked import track
from streams.event_schemas import Payloads, read_schemas
from streams.health import Probes, serve_health
from streams.metrics import Metrics
from streams.settings import Edge, Settings
from streams.topology import Topology
from streams.transport.client import Publisher, PublishFailed
from streams.transport.logins import Logins

#: Connections accepted in one turn of the loop, and those that the kernel keeps meanwhile.
ACCEPTS: Final = 16
_KERNEL_QUEUE: Final = 4096
#: Without a limit the kernel takes megabytes for a device that does not read before anybody notices.
_SEND_BUFFER: Final = 32 * 1024
_RELOAD_TICKS: Final = 10
#: A trip to Redis costs as much as all else of a poll: an edge that is asked often makes one for several.
_HEADS_GAP_S: Final = 0.002
_MAX_REQUEST: Final = 64 * 1024
#: A full collection looks at every connection; of 10,000 that takes tens of ms, in which nobody is served. By Python's
#: own thresholds a herd that arrives brings a dozen of them. One of the young takes 2 ms at most.
_GC_THRESHOLDS: Final = (10_000, 250, 1000)
log = logging.getLogger(__name__)


class Running(NamedTuple):
    """An edge that serves: the ports in use, its parts, and the tasks of which none ends by itself."""

    port: int
    push_port: int
    health_port: int
    gateway: Gateway
    lease: Lease
    tasks: tuple[asyncio.Task[None], ...]


async def serve(settings: Settings, topology: Topology) -> None:
    """Serve devices until cancelled; then send them elsewhere. Raises what stopped a background task."""
    gc.set_threshold(*_GC_THRESHOLDS)
    async with running(settings, topology) as edge:
        log.info("the edge serves devices on port %d, pushes on port %d", edge.port, edge.push_port)
        ended, _ = await asyncio.wait(edge.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()


@asynccontextmanager
async def running(settings: Settings, topology: Topology) -> AsyncIterator[Running]:
    """An edge. Leaving the block drains it. Raises OSError for a port that is taken, what `check_files` raises, and
    what stores raise."""
    check_files(settings)
    async with AsyncExitStack() as stack:
        ports = _ports(stack, settings.edge)
        memory = await stack.enter_async_context(redis.connect(settings))
        disk = await stack.enter_async_context(cassandra.connect(settings))
        stores = await _stores(stack, settings, topology, memory, disk, _number(ports.pushes))
        guard = await open_guard(settings, disk)
        output, logins = _publisher(stack, settings)
        reports = Reports(output, settings.topic_prefix + "outcomes", topology.partitions)
        sessions = Sessions(topology.lane_names())
        backlog = Backlog(sessions, stores, type_bits(topology), time.time, guard.seen.note)
        waits, load = Waits(sessions, stores, settings.edge.waits), Load()
        pull = Pull(settings.edge, topology, stores, guard.access, reports, time.time, waits, load)
        devices = Devices(topology, stores, guard.access, Seal(settings.registry.token_keys))
        ingest = Ingest(settings, topology, guard.callers, output, _payloads(settings, topology), time.time)
        upgrades = Upgrades(lambda: Connection(gateway))
        routes = [pull.routes(), devices.routes(), ingest.routes(), upgrades.routes()]
        lanes = len(topology.lanes)
        heads = await stack.enter_async_context(track(settings, memory.watch, lanes, _HEADS_GAP_S))
        polls = QuickPolls(pull, heads, guard.access, reports, lanes, settings.edge.page_limit, time.time)
        server = await _http(stack, api(routes, settings.edge.origins, lambda: gateway.draining))
        http = partial(QuickHandler, polls, server, loop=asyncio.get_running_loop(), access_log=None)
        gateway = Gateway(settings.edge, sessions, backlog, guard.verifier, reports, http)
        revoking = Revoking(sessions, guard.revocations, settings.tokens.revocations)
        erasure = await Erasure.open(disk, memory, stores.registry, len(topology.lanes))
        operators = Operators(stores, guard, revoking, erasure, topology.longest_retention(), time.time)
        health = Health(gateway, stores.lease, disk)
        exported = partial(export, gateway, pull, reports, ingest, (memory.watch, disk.watch))
        health_port = _serve_health(stack, settings, health, exported)
        recovery = Recovery(sessions, memory, stores.lease, gateway.recover)
        sweep = Sweep(sessions, stores.heads, memory, gateway.sync, settings.edge.sweep)
        clock = _clock(gateway, health, load, (guard.verifier.reload, guard.callers.reload, logins.reload))
        background = (reports.run(), health.run(), recovery.run(), sweep.run(), revoking.run(), clock, _turns(gateway))
        tasks = await _start(stack, *background, *(work() for work in guard.work))
        await _serve_operators(stack, ports.operators, operators)
        endings = (waits.drain, polls.end)
        await _open_ports(stack, gateway, PushPort(sessions, stores.lease, time.time), ports, endings)
        yield Running(_number(ports.devices), _number(ports.pushes), health_port, gateway, stores.lease, tasks)


def _payloads(settings: Settings, topology: Topology) -> Payloads:
    """What judges the payloads of producers. Raises BadSchemas."""
    return Payloads(read_schemas(topology, settings.topology) if settings.ingest.schemas == "enforce" else {})


def api(
    routes: Iterable[Iterable[web.RouteDef]], origins: Sequence[str] = (), draining: Callable[[], bool] = lambda: False
) -> web.Application:
    """An application whose errors are problems, for pages of these origins too. Draining, it keeps no connection."""
    middlewares = [leaving(draining), *([cors(origins)] if origins else []), problems]
    app = web.Application(middlewares=middlewares, client_max_size=_MAX_REQUEST)
    for each in routes:
        app.router.add_routes(each)
    return app


class Ports(NamedTuple):
    """The listening sockets."""

    devices: socket.socket
    pushes: socket.socket
    operators: socket.socket | None


def _ports(stack: AsyncExitStack, settings: Edge) -> Ports:
    devices = stack.enter_context(_listening(settings.host, settings.port))
    devices.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # connections inherit it
    pushes = stack.enter_context(_listening(settings.push_host, settings.push_port))
    operators = None
    if settings.operator_port:
        operators = stack.enter_context(_listening(settings.operator_host, settings.operator_port))
    return Ports(devices, pushes, operators)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _number(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


async def _stores(
    stack: AsyncExitStack,
    settings: Settings,
    topology: Topology,
    memory: redis.Redis,
    disk: cassandra.Cassandra,
    push_port: int,
) -> Stores:
    lease = Lease(memory, f"{settings.edge.advertise}:{push_port}", settings.edge.lease)
    return Stores(
        registry=await Registry.open(disk, memory, topology),
        inbox=await InboxReader.open(disk),
        heads=Heads(memory, len(topology.lane_names()), _HEADS_GAP_S),
        presence=Presence(memory),
        lease=await stack.enter_async_context(lease),
    )


def _publisher(stack: AsyncExitStack, settings: Settings) -> tuple[Any, Logins]:
    publisher = Publisher(settings.kafka.servers, **{"linger.ms": 1, **settings.kafka.security})

    async def close() -> None:
        try:
            await asyncio.to_thread(publisher.close)
        except PublishFailed as error:
            log.warning("outcomes were not delivered: %s", error)

    stack.push_async_callback(close)
    return publisher.submit, Logins(settings.kafka, publisher.login)


async def _http(stack: AsyncExitStack, app: web.Application) -> Any:
    """What makes the protocol of an HTTP connection."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner.server


def _serve_health(
    stack: AsyncExitStack, settings: Settings, health: Health, exported: Callable[[Metrics], None]
) -> int:
    metrics = Metrics()
    exported(metrics)
    probes = Probes(health.live, health.ready, metrics.registry)
    return stack.enter_context(serve_health(settings.health.host, settings.health.port, probes))


async def _serve_operators(stack: AsyncExitStack, listening: socket.socket | None, operators: Operators) -> None:
    if listening is None:
        return
    runner = web.AppRunner(api([operators.routes()]), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listening).start()


async def _open_ports(
    stack: AsyncExitStack, gateway: Gateway, port: PushPort, ports: Ports, endings: Iterable[Callable[[], None]]
) -> None:
    loop = asyncio.get_running_loop()
    internal = await _http(stack, port.application())
    pushes = await loop.create_server(lambda: PushProtocol(port, internal), sock=ports.pushes)
    stack.callback(pushes.close)
    # asyncio accepts `backlog` connections a turn; the kernel's queue is another number
    devices = await loop.create_server(gateway.accept, sock=ports.devices, backlog=ACCEPTS)
    ports.devices.listen(_KERNEL_QUEUE)

    async def drain() -> None:
        devices.close()
        for end in endings:
            end()
        await gateway.drain()

    stack.push_async_callback(drain)


async def _start(stack: AsyncExitStack, *work: Coroutine[Any, Any, None]) -> tuple[asyncio.Task[None], ...]:
    tasks = tuple(asyncio.create_task(each) for each in work)

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(stop)
    return tasks


async def _clock(gateway: Gateway, health: Health, load: Load, reloads: Sequence[Callable[[], object]]) -> None:
    """The seconds of the gateway; now and then files that may have changed."""
    while True:
        await asyncio.sleep(1)
        gateway.advance()
        health.turned()
        load.sample(time.monotonic(), time.thread_time())
        if gateway.tick % _RELOAD_TICKS == 0:
            for reload in reloads:
                _reload(reload)


async def _turns(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(1 / TURNS)
        gateway.turn()


def _reload(reload: Callable[[], object]) -> None:
    try:
        reload()
    except (BadKeys, BadCallers):
        log.exception("a file cannot be used, what it held before stays")
