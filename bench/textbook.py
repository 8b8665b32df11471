"""The textbook pipeline as a system to be measured: its topics, tables, two processes, and its inbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from cassandra.cluster import Cluster
from cassandra.query import SimpleStatement
from confluent_kafka.admin import AdminClient, NewTopic

from bench.child import end
from bench.plan import LANES, Load
from bench.system import Way
from deploy.local.config import Endpoints
from deploy.local.ports import free_ports, is_free

PARTITIONS: Final = 8
STAGES: Final = ("events", "notifications", "push")
_START_S: Final = 120.0
_TABLE: Final = (
    "CREATE TABLE inbox (account text, created timeuuid, id text, type text, payload text, "
    "PRIMARY KEY (account, created))"
)


class Textbook:
    """Running."""

    def __init__(self, way: Way, processes: Mapping[str, subprocess.Popen[bytes]], session: Any) -> None:
        self.way = way
        self._processes = processes
        self._session = session

    def pids(self) -> Mapping[str, int]:
        """The worker and the gateway."""
        return {name: process.pid for name, process in self._processes.items()}

    async def register(self, load: Load) -> None:
        """Nothing to do: a device is known by its hello."""

    async def rows(self, load: Load) -> Mapping[str, list[int]]:
        """All rows of the table, those of the load's accounts."""
        found: dict[str, list[int]] = {name: [] for name in load.names()}
        for account, id_ in self._session.execute(SimpleStatement("SELECT account, id FROM inbox", fetch_size=2000)):
            if account in found:
                found[account].append(int(id_[1:]))
        return found


@contextmanager
def textbook(servers: Endpoints, directory: Path, keys: str, database: int) -> Iterator[Textbook]:
    """The two processes, from here to the end of the block; `keys` sign the tokens of the devices."""
    name = f"book{uuid.uuid4().hex[:8]}"
    (port,) = free_ports(1)
    topic = f"{name}-ingest"
    config: dict[str, Any] = {
        "name": name, "topic": topic, "kafka": servers.kafka, "partitions": PARTITIONS,
        "cassandra": servers.cassandra, "keyspace": name, "port": port, "push": f"http://127.0.0.1:{port}/push",
        "redis": {"host": servers.redis[0], "port": servers.redis[1], "db": database}, "data": str(directory),
        "ready": str(directory / "ready"),
    }  # fmt: skip
    _make_topics(servers.kafka, [topic, *(f"{name}-{stage}-{lane}" for stage in STAGES for lane in LANES)])
    with ExitStack() as stack:
        session = stack.enter_context(_keyspace(servers, name))
        made = {
            "worker": ("bench.peers.textbook_worker", "worker", "--loglevel", "error"),
            "gateway": ("bench.peers.textbook_gateway",),
        }
        processes = {
            what: stack.enter_context(_process(arguments, config, directory)) for what, arguments in made.items()
        }
        _wait(lambda: (directory / "ready").exists() and not is_free(port), processes.values())
        yield Textbook(Way(servers.kafka, topic, "127.0.0.1", port, keys), processes, session)


def _wait(ready: Callable[[], bool], processes: Iterable[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _START_S
    while not ready():
        assert time.monotonic() < deadline, f"the textbook's processes are not ready after {_START_S:g} s"
        assert all(process.poll() is None for process in processes), "a process of the textbook ended"
        time.sleep(0.05)


def _make_topics(kafka: str, names: Sequence[str]) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        future.result(30)


@contextmanager
def _keyspace(servers: Endpoints, name: str) -> Iterator[Any]:
    host, port = servers.cassandra
    cluster = Cluster([host], port=port, protocol_version=4)
    try:
        session = cluster.connect()
        replication = {"class": "SimpleStrategy", "replication_factor": 1}
        session.execute(f"CREATE KEYSPACE {name} WITH replication = {replication}")
        session.set_keyspace(name)
        session.execute(_TABLE)
        yield session
    finally:
        cluster.shutdown()


@contextmanager
def _process(arguments: Sequence[str], config: Mapping[str, Any], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, "TEXTBOOK": json.dumps(config)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield process
    finally:
        end(process)
