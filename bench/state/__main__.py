"""`python -m bench.state [KEYS ...]`: the tables alone, by size: cost, memory, changelog, recovery.

Each size of `seen` and of `latest` runs in a process of its own and writes the rows that a worker would into a
changelog on a real Kafka. They are read again, and for `seen` the worker `router` itself recovers from them. Every
answer is checked. The last line is JSON.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from bench.measure import report
from bench.program import launch
from deploy.local.pipeline import Member, Pipeline
from deploy.local.ports import free_ports
from deploy.local.servers import local_servers
from streams.admin import apply, plan
from streams.check import load_file
from streams.settings import Kafka, Settings
from streams.topology import changelog

ROOT: Final = Path(__file__).parents[2]
SIZES: Final = (100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000)
#: Bytes that a key takes at most while its index grows, and the rows of a batch wait for the broker.
PEAK: Final = 120
STARTS: Final = 3
Figures = dict[str, float]
TABLES: Final = {"seen": "router", "latest": "normal"}  # and a worker whose table it is


class Scene:
    """A Kafka, and for each size topics of its own."""

    def __init__(self, servers: str, prefix: str = "") -> None:
        self.servers = servers
        self._prefix = prefix
        self.topology = load_file(str(ROOT / "topics.yaml"))

    def prefix(self, keys: int) -> str:
        """Of the topics of a size, made when first asked for; none for pushes, which nothing here makes."""
        prefix = f"{self._prefix}keys{keys}."
        settings = Settings(kafka=Kafka(servers=self.servers), topic_prefix=prefix)
        apply([change for change in plan(self.topology, settings) if ".push." not in change.topic], settings)
        return prefix

    def one(self, table: str, keys: int) -> Figures:
        """A size of a table."""
        topic = changelog(self.prefix(keys) + TABLES[table], table)
        command = [sys.executable, "-m", "bench.state.one", table, str(keys), self.servers, topic]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        figures: Figures = json.loads(done.stdout)
        print(f"{table:<7}" + ", ".join(f"{name} {number:,}" for name, number in figures.items()), flush=True)
        return figures

    def recovery(self, keys: int) -> tuple[float, int]:
        """Seconds until a router has its state of that size, and how many entries are then not there."""
        took, entries = zip(*(self._start(keys) for _ in range(STARTS)), strict=True)
        return statistics.median(took), sum(abs(keys - held) for held in entries)

    def _start(self, keys: int) -> tuple[float, int]:
        directory = Path(tempfile.mkdtemp(prefix="lockstep-bench-"))
        environment = {
            "LOCKSTEP_KAFKA__SERVERS": self.servers, "LOCKSTEP_TOPIC_PREFIX": self.prefix(keys),
            "LOCKSTEP_TOPOLOGY": str(ROOT / "topics.yaml"), "LOCKSTEP_LIMITS__SEEN_ENTRIES": str(keys + 1000),
        }  # fmt: skip
        try:
            with Pipeline(environment, directory, free_ports(1)) as pipeline:
                began = time.monotonic()
                router = pipeline.worker("router")
                pipeline.wait_ready([router], 60 + keys / 100_000)
                return time.monotonic() - began, _entries(router)
        finally:
            shutil.rmtree(directory)


def _entries(router: Member) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{router.health_port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("lockstep_table_seen_entries "))))


def fitting(sizes: Sequence[int]) -> list[int]:
    """The sizes for which there is memory; of the others a line says so."""
    room = psutil.virtual_memory().available
    for keys in sizes:
        if keys * PEAK > room:
            print(f"{keys:,} keys are left out: they need {keys * PEAK / 2**30:.1f} GiB, {room / 2**30:.1f} are free")
    return [keys for keys in sizes if keys * PEAK <= room]


def play(servers: str, sizes: Sequence[int], prefix: str = "") -> dict[str, object]:
    """All sizes of both tables; the last line. Growth is that of the cost, of either table, which grows most."""
    scene = Scene(servers, prefix)
    found = {table: [scene.one(table, keys) for keys in sizes] for table in TABLES}
    empty, odd = scene.recovery(0)
    wrong = odd + sum(int(figures["wrong"]) for runs in found.values() for figures in runs)
    for keys in sizes:
        took, lost = scene.recovery(keys)
        wrong += lost
        per_million = (took - empty) / keys * 1e6
        print(f"router ready after {took:.1f} s with {keys:,} keys, {empty:.1f} s with none", flush=True)
    growth = [runs[-1][cost] / runs[0][cost] for runs in found.values() for cost in ("new_ns", "mixed_ns")]
    print(f"the last line: with {sizes[-1]:,} keys; its growth is that from {sizes[0]:,} on", flush=True)
    return {
        "bytes_per_key": max(runs[-1]["resident_bytes_per_key"] for runs in found.values()),
        "recovery_s_per_million": round(per_million, 3),
        "cost_growth_1e5_to_1e8": round(max(growth), 2),
        "wrong": wrong,
    }


def main() -> int:
    """Measure all sizes that fit."""
    sizes = fitting([int(float(text)) for text in sys.argv[1:]] or SIZES)
    with local_servers(["kafka"]) as running:
        return report(play(running.endpoints.kafka, sizes))


if __name__ == "__main__":
    launch(main)
