"""A whole lockstep of its own: topics, keyspace, workers and edge, on the servers of the run."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from redis import Redis

from deploy.local.pipeline import Pipeline, environment
from deploy.local.ports import free_ports
from deploy.local.topologies import SHIPPED, sockets_only
from streams.transport.client import Publisher
from tests.e2e.system import System

#: Processes that one system may start, one after the other or at once: each has a port for its health.
MEMBERS = 120


class Prepare(Protocol):
    """Makes systems."""

    def __call__(self, prefix: str, directory: Path, *, providers: bool = False) -> AbstractContextManager[System]:
        """A system with a prefix of its own, its logs and keys in the directory; sockets only unless told otherwise."""


@pytest.fixture(scope="session")
def prepare(
    kafka: str, cassandra_address: tuple[str, int], redis_address: tuple[str, int], redis_databases: Iterator[int]
) -> Prepare:
    """What makes systems on the servers of the run: topics, schema and keys are there, nothing runs yet."""

    @contextmanager
    def prepared(prefix: str, directory: Path, *, providers: bool = False) -> Iterator[System]:
        edge_port, push_port, *health = free_ports(2 + MEMBERS)
        database = next(redis_databases)
        with Redis(*redis_address, db=database) as redis:  # heads of another would stand above every position of this
            assert redis.dbsize() == 0, f"database {database} was used before"
        settings = {
            **environment(kafka, cassandra_address, redis_address, directory, edge_port, push_port),
            "LOCKSTEP_TOPIC_PREFIX": prefix,
            "LOCKSTEP_REDIS__DATABASE": str(database),
            "LOCKSTEP_CASSANDRA__KEYSPACE": "k" + prefix.rstrip(".")[-8:],
            "LOCKSTEP_KAFKA__SESSION_TIMEOUT": "6",
            "LOCKSTEP_TOPOLOGY": str(SHIPPED if providers else sockets_only(directory / "topology")),
        }
        with (
            Pipeline(settings, directory, health_ports=health) as pipeline,
            closing(Publisher(kafka, **{"linger.ms": 20})) as publisher,
        ):
            made = System(pipeline, kafka, prefix, f"http://127.0.0.1:{edge_port}", publisher)
            made.prepare()
            yield made

    return prepared


@pytest.fixture
def system(prepare: Prepare, prefix: str, tmp_path: Path) -> Iterator[System]:
    """A system for one test, which starts and kills its members itself."""
    with prepare(prefix, tmp_path) as made:
        yield made


@pytest.fixture(scope="package")
def running(
    prepare: Prepare, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A system that all tests of a folder share: every worker and the edge are up. A test has accounts of its own."""
    name = request.node.path.name
    with prepare(f"{name}-{uuid.uuid4().hex[:8]}.", tmp_path_factory.mktemp(name)) as made:
        made.start()
        yield made
