"""A whole lockstep of its own for a test: topics, keyspace, workers and edge, on the servers of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.pipeline import Pipeline, environment
from deploy.local.ports import free_ports
from tests.e2e.system import System


@pytest.fixture
def system(
    kafka: str,
    cassandra_address: tuple[str, int],
    redis_address: tuple[str, int],
    prefix: str,
    tmp_path: Path,
) -> Iterator[System]:
    """Topics, schema and keys are there; nothing runs yet."""
    edge_port, push_port, *health = free_ports(40)
    settings = {
        **environment(kafka, cassandra_address, redis_address, tmp_path, edge_port, push_port),
        "LOCKSTEP_TOPIC_PREFIX": prefix,
        "LOCKSTEP_CASSANDRA__KEYSPACE": "k" + prefix.rstrip(".")[-8:],
        "LOCKSTEP_KAFKA__SESSION_TIMEOUT": "6",
        "LOCKSTEP_TOPOLOGY": str(Path(__file__).parents[2] / "topics.yaml"),
    }
    with Pipeline(settings, tmp_path, health_ports=health) as pipeline:
        made = System(pipeline, kafka, prefix, f"http://127.0.0.1:{edge_port}")
        made.prepare()
        yield made
