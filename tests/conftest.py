"""Real servers for the tests: booted when first asked for, on free ports, once for the whole run."""

import os
import re
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from deploy.local import ports, processes
from deploy.local.config import Config, LocalError, on_free_ports
from deploy.local.processes import Process
from deploy.local.servers import Running, start, stop
from deploy.local.topologies import sockets_only

HOMES = "lockstep-tests-"
OWNER = "owner.json"


#: Set by pytest-xdist in each of its processes, as gw0, gw1, and so on; and how many there are.
WORKER, WORKERS = "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"
SAID = "said"


def pytest_configure() -> None:
    """End on SIGTERM as on Ctrl-C, so that no server is left behind; have ports that no other process has."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if WORKER in os.environ:
        part, parts = int(os.environ[WORKER].removeprefix("gw")), int(os.environ[WORKERS])
        os.environ[ports.VARIABLE] = ports.share(part, parts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have to say beyond that they passed: figures that are reported, not asserted."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, line in report.user_properties if report.when == "call" else ():
            if name == SAID:
                terminalreporter.write_line(f"{report.nodeid}: {line}")


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says something to whoever watches the tests, also where they pass: at once where it can, and in the summary."""

    def say(line: str) -> None:
        record_property(SAID, line)
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return say


@pytest.fixture(scope="session")
def local_config() -> Iterator[Config]:
    """The run's own instance of the servers, none of them booted yet; all that were are stopped at the end."""
    _sweep()
    home = Path(tempfile.mkdtemp(prefix=HOMES))
    processes.write(home / OWNER, processes.current())
    try:
        yield on_free_ports(home)
    finally:
        _remove(home)


@pytest.fixture(scope="session")
def kafka(local_config: Config) -> str:
    """The bootstrap address of a real Kafka."""
    return start(local_config, ["kafka"]).endpoints.kafka


@pytest.fixture(scope="session")
def cassandra_address(local_config: Config) -> tuple[str, int]:
    """Host and port of a real Cassandra."""
    return start(local_config, ["cassandra"]).endpoints.cassandra


@pytest.fixture(scope="session")
def redis_address(local_config: Config) -> tuple[str, int]:
    """Host and port of a real Redis."""
    return start(local_config, ["redis"]).endpoints.redis


@pytest.fixture(scope="session")
def redis_databases() -> Iterator[int]:
    """Numbers of databases of the run's Redis that nobody has used yet: keys have no prefix."""
    return count(1)


@pytest.fixture(scope="session")
def topics_yaml(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a topology with sockets only: its topics are soon made."""
    return str(sockets_only(tmp_path_factory.mktemp("topology")))


@pytest.fixture
def servers(local_config: Config) -> Iterator[Running]:
    """All three servers, for tests that kill or pause them; they are up again afterwards."""
    running = start(local_config)
    try:
        yield running
    finally:
        running.revive()


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A prefix for topics, groups, keyspaces and accounts that no other test has; it ends in a dot."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40].strip("-")
    return f"{words}-{uuid.uuid4().hex[:8]}."


def _sweep() -> None:
    """Remove the instances of runs that were killed before they could do it."""
    for home in Path(tempfile.gettempdir()).glob(f"{HOMES}*"):
        with suppress(OSError, LocalError):  # another user's, gone meanwhile, or one that does not end: a later run's
            owner: Process | None = processes.read(home / OWNER)
            if owner and not owner.alive():
                _remove(home)


def _remove(home: Path) -> None:
    stop(home, grace=0)
    shutil.rmtree(home)
