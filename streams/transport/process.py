"""Runs an app as a process: until a signal, after which work in hand is committed, or until the first failure."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

from mode.utils.loops import get_event_loop

log = logging.getLogger(__name__)

EXIT_FAILED: Final = 70
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
#: Batches keep many objects alive for a short while; with the default thresholds the collector scans them repeatedly.
GC_THRESHOLDS: Final = (200_000, 50, 1000)


def run(
    app: Any,
    *,
    resources: Callable[[], AbstractAsyncContextManager[object]] = nullcontext,
    stop_limit: float = 30.0,
) -> int:
    """Run until SIGTERM or SIGINT, then finish and commit what is in work: 0. After a failure, without a commit: 70.

    `resources` is entered on the app's loop before the app starts, so agents may be added in it, and left after the app
    has stopped. After a failure this ends within `stop_limit` seconds, or the process does by force. Threads of clients
    may outlive it, waiting for a server: whoever calls this should not wait for them.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    loop = (
        get_event_loop()
    )  # mode's: it caches the first loop it sees per thread (mode/utils/loops.py:18) and hands that
    # one to every service touched before the loop runs. Tasks on any other loop never start, without a word.
    stop = asyncio.Event()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    force = threading.Timer(stop_limit, os._exit, [EXIT_FAILED])
    force.daemon = True
    app.transport.failures.listen(lambda cause: _stop_soon(loop, stop, force))
    try:
        code: int = loop.run_until_complete(_serve(app, resources, stop))
        return code
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        _cancel_all(loop)
        loop.close()
        force.cancel()


async def _serve(app: Any, resources: Callable[[], AbstractAsyncContextManager[object]], stop: asyncio.Event) -> int:
    app.in_worker = True
    stopping = asyncio.ensure_future(stop.wait())
    try:
        async with resources():
            await _live(app, stopping)
    except Exception as error:
        log.critical("Failed: %r", error, exc_info=error)
        return EXIT_FAILED
    finally:
        stopping.cancel()
    cause = app.transport.failure or app.crash_reason
    if cause is not None:
        log.critical("Stopped by %r", cause)
    return 0 if cause is None else EXIT_FAILED


async def _live(app: Any, stopping: asyncio.Future[Any]) -> None:
    """Start the app, wait for the end of it, stop it."""
    starting = asyncio.ensure_future(app.start())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            ended = asyncio.ensure_future(app.wait_until_stopped())  # a crash of any of its services ends it too
            await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
    finally:
        await app.stop()
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])


def _stop_soon(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, force: threading.Timer) -> None:
    """From any thread: ask for the stop, and see to it that it happens."""
    force.start()
    loop.call_soon_threadsafe(stop.set)


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=5.0))
