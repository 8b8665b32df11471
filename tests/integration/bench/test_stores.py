"""The benchmarks of the stores, short: what they write and look up is right, whatever it costs here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench import inbox, presence
from bench.program import INTERRUPTED
from deploy.local.processes import read
from streams import settings
from streams.settings import Settings


async def test_the_benchmark_of_the_inbox_reads_back_what_each_way_wrote(cassandra_address: tuple[str, int]) -> None:
    """All rounds of all three ways, and the polls."""
    host, port = cassandra_address
    keyspace = f"bench_{uuid.uuid4().hex[:8]}"
    config = Settings(cassandra=settings.Cassandra(contact_points=(host,), port=port, keyspace=keyspace))
    found = await inbox.measure(config, inbox.Sizes(rows=100, polls=20, accounts=40))
    assert (found["rows"], found["wrong"]) == (3 * 100 * (inbox.ROUNDS + 1), 0)
    assert found["cpu_us_per_row"] > 0


async def test_the_benchmark_of_presence_finds_every_device(
    redis_address: tuple[str, int], redis_databases: Iterator[int]
) -> None:
    """All three ways give the same."""
    host, port = redis_address
    config = Settings(redis=settings.Redis(host=host, port=port, database=next(redis_databases)))
    found = await presence.measure(config, presence.Sizes(accounts=250, lookups=presence.BATCH))
    assert (found["devices"], found["wrong"]) == (550, 0)
    assert found["bytes_per_device"] > 0


def test_a_benchmark_that_is_told_to_end_leaves_no_server_and_no_data(tmp_path: Path) -> None:
    """SIGTERM, as a supervisor or `make` sends it, while its Redis runs."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "ACCOUNTS": "1000000"}
    with subprocess.Popen([sys.executable, "-m", "bench.presence"], env=environment, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not (found := [read(path) for path in tmp_path.glob("*/redis/process.json")]) or found[0] is None:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        server = psutil.Process(found[0].pid)
        process.terminate()
        assert process.wait(60) == INTERRUPTED
    assert not server.is_running()
    assert list(tmp_path.iterdir()) == []
