"""How a worker process ends: after a signal, after a failure, after a resource that cannot be opened."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.transport import EXIT_FAILED, Handler, Output, run, stats
from streams.transport.mark import Mark
from tests.unit.transport.fake import TOPIC, Broker, Life, use


@pytest.fixture(autouse=True)
def own_loop() -> Iterator[None]:
    """`run` uses and closes the loop of its thread: each test has one of its own."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Twenty records in one partition."""
    made = Broker(20)
    use(monkeypatch, made)
    return made


def _counting(at: int, then: Callable[[], object]) -> Callable[[Output], Handler]:
    """A handler that takes everything and does something at one offset."""

    def make(output: Output) -> Handler:
        async def handle(batch: Any) -> int:
            for record in batch.records:
                if record.offset == at:
                    then()
            return int(batch.end) - 1

        return handle

    return make


def _signal() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _raise() -> None:
    raise ValueError("told to")


def test_a_signal_ends_it_well(broker: Broker, tmp_path: Path) -> None:
    """SIGTERM in the middle of a batch: 0, and that batch is committed; resources close after the app."""
    life = Life(broker, tmp_path, _counting(9, _signal), 5.0)
    closed: list[Mark] = []

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        yield
        closed.append(life.committed())

    assert run(life.app, resources=resources) == 0
    assert closed == [life.committed()]
    assert life.committed().offset >= 12
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_failure_ends_it_badly(broker: Broker, tmp_path: Path) -> None:
    """A handler raises: 70, without a commit of its batch; the snapshot tells."""
    life = Life(broker, tmp_path, _counting(9, _raise), 5.0)
    assert run(life.app) == EXIT_FAILED
    assert life.committed().offset <= 8
    assert stats(life.app)["failure"] == "ValueError('told to')"


def test_a_resource_that_cannot_be_opened_ends_it_badly(broker: Broker, tmp_path: Path) -> None:
    """70, before anything was read."""
    life = Life(broker, tmp_path, _counting(9, _raise), 5.0)

    class Nobody(AbstractAsyncContextManager[None]):
        async def __aenter__(self) -> None:
            raise OSError("nobody there")

        async def __aexit__(self, *exc: object) -> None:
            raise AssertionError("was never entered")

    assert run(life.app, resources=Nobody) == EXIT_FAILED
    assert broker.committed == {}


def test_a_crash_of_a_service_ends_it_badly(broker: Broker, tmp_path: Path) -> None:
    """What crashes Faust's app ends the process too, instead of leaving it idle."""
    life = Life(broker, tmp_path, _counting(9, lambda: asyncio.ensure_future(life.app.crash(OSError("lost")))), 5.0)
    assert run(life.app) == EXIT_FAILED


def test_a_stop_that_hangs_is_forced(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure the process ends within its limit, whatever hangs."""
    forced = threading.Event()
    life = Life(broker, tmp_path, _counting(9, _raise), 5.0)

    def leave(code: int) -> None:
        assert code == EXIT_FAILED
        forced.set()

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        yield
        while not forced.is_set():  # a resource that does not close
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.01))])

    monkeypatch.setattr(os, "_exit", leave)
    assert run(life.app, resources=resources, stop_limit=0.1) == EXIT_FAILED
    assert forced.is_set()


def test_what_runs_on_after_the_stop_is_not_ended(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is that of the stop: once that is over, nobody ends the process behind its back."""
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda code: ended.set())
    life = Life(broker, tmp_path, _counting(9, _raise), 5.0)
    assert run(life.app, stop_limit=1.0) == EXIT_FAILED
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for timer in timers:
        timer.join(10)
    assert not ended.is_set()


def test_the_snapshot_before_the_start_is_empty(broker: Broker, tmp_path: Path) -> None:
    """No partitions, not recovered, no failure."""
    life = Life(broker, tmp_path, _counting(9, _raise), 5.0)
    assert stats(life.app) == {
        "partitions": {},
        "gaps": 0,
        "clock": -1,
        "recovered": False,
        "since_commit": 0.0,
        "failure": None,
    }


def test_the_snapshot_tells_where_each_partition_is(broker: Broker, tmp_path: Path) -> None:
    """Taken from within a handler: what is committed, handed out, and still out."""
    seen: list[Any] = []

    def look() -> None:
        seen.append(stats(life.app))
        _signal()

    life = Life(broker, tmp_path, _counting(9, look), 5.0)
    assert run(life.app) == 0
    (snapshot,) = seen
    partition = snapshot["partitions"][TOPIC, 0]
    assert snapshot["recovered"]
    assert partition["position"] >= 12
    assert partition["in_flight"] >= 1
    assert partition["committed"] in (-1, 4, 8)


#: As Faust's own modules do while they are imported: what __set_name__ raises becomes a RuntimeError.
_STOPPED = """
import os, signal
from streams.signals import stop_on_signals
stop_on_signals()
class Attribute:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), signal.{name})
        raise AssertionError("still here")
class Owner:
    attribute = Attribute()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signals_before_the_run_end_the_process_well(name: str) -> None:
    """Status 0 and no trace, whatever code the signal meets."""
    done = subprocess.run(
        [sys.executable, "-c", _STOPPED.format(name=name)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
