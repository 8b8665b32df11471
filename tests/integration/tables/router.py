"""The topics and workers of one test of the tables."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.transport.client import RawRecord, read_partition, watermarks
from tests.integration.tables.worker import Options
from tests.topics import create, delete

PARTITIONS: Final = 4
CHANGELOG: Final = "router-seen-changelog"
ROOT = Path(__file__).parents[3]


def until(condition: Callable[[], Any], what: str, deadline: float = 90.0) -> Any:
    """The first true value of `condition`; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {deadline:g} s: {what}")


class Worker:
    """One worker process."""

    def __init__(self, options: Options, log: Path) -> None:
        self.log = log
        self._report = Path(options.report)
        command = [sys.executable, "-m", "tests.integration.tables", msgspec.json.encode(options).decode()]
        with log.open("w") as file:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)

    def now(self) -> dict[str, Any]:
        """Its newest report, empty before the first."""
        if not self._report.exists():
            return {}
        lines = [line for line in self._report.read_text().splitlines(keepends=True) if line.endswith("}\n")]
        report: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return report

    def recovered(self, assigned: int = PARTITIONS) -> dict[str, Any]:
        """Its report once its tables are whole and it has that many partitions."""

        def whole() -> dict[str, Any] | None:
            now = self.now()
            return now if now.get("recovered") and now["assigned"] == assigned else None

        report: dict[str, Any] = until(whole, f"{assigned} partitions recovered: {self.log}")
        return report

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.process.terminate()
        return self.process.wait(60)


class Router:
    """ingest -> worker -> events, and the changelog of the worker's table."""

    def __init__(self, servers: str, prefix: str, home: Path) -> None:
        self.servers, self.prefix, self.home = servers, prefix, home
        self.admin = AdminClient({"bootstrap.servers": servers})
        self.producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "compression.type": "lz4"})
        self.workers: list[Worker] = []

    def create(self, changelog: Mapping[str, str]) -> None:
        """Make the topics; `changelog` configures that of the table."""
        config = {"cleanup.policy": "compact,delete", "message.timestamp.type": "LogAppendTime", **changelog}
        stamped = {"message.timestamp.type": "LogAppendTime"}
        topics = [NewTopic(self.prefix + name, PARTITIONS, 1, config=stamped) for name in ("ingest", "events")]
        topics.append(NewTopic(self.prefix + CHANGELOG, PARTITIONS, 1, config=config))
        create(self.admin, topics)

    def close(self) -> None:
        """End all workers and delete the topics."""
        for worker in self.workers:
            worker.kill()
        delete(self.admin, [self.prefix + name for name in ("ingest", "events", CHANGELOG)])

    def start(self, **options: Any) -> Worker:
        """Start a worker."""
        assert self.producer.flush(60) == 0
        name = f"worker-{len(self.workers)}"
        settings = Options(
            prefix=self.prefix,
            servers=self.servers,
            datadir=str(self.home / name),
            report=str(self.home / f"{name}.jsonl"),
            partitions=PARTITIONS,
            **options,
        )
        worker = Worker(settings, self.home / f"{name}.log")
        self.workers.append(worker)
        return worker

    def send(self, ids: Iterable[int]) -> None:
        """Put these ids into `ingest`, each always into the same partition."""
        for id_ in ids:
            self.put("ingest", id_ % PARTITIONS, b"account", id_of(id_))
        assert self.producer.flush(60) == 0

    def put(self, name: str, partition: int, key: bytes, value: bytes) -> None:
        """Queue a record; workers that are started or records that are sent later come after it."""
        while True:
            try:
                self.producer.produce(self.prefix + name, value, key, partition)
                return
            except BufferError:
                self.producer.poll(0.1)

    def ends(self, name: str) -> dict[int, tuple[int, int]]:
        """First and end offsets of a topic."""
        return watermarks(self.servers, self.prefix + name, range(PARTITIONS))

    def count(self, name: str) -> int:
        """Records that were ever put into a topic."""
        return sum(high for _, high in self.ends(name).values())

    def read(self, name: str) -> list[RawRecord]:
        """All records that a topic holds."""
        topic = self.prefix + name
        return [r for partition in range(PARTITIONS) for r in read_partition(self.servers, topic, partition, 0)]

    def cut(self, before: Mapping[int, int]) -> None:
        """Delete the changelog's records below these offsets, by partition."""
        at = [TopicPartition(self.prefix + CHANGELOG, partition, offset) for partition, offset in before.items()]
        for gone in self.admin.delete_records(at).values():
            gone.result()

    def settled(self, records: int, *workers: Worker) -> dict[str, int]:
        """Counts over these workers once they have taken `records` and committed them."""

        def done() -> dict[str, int] | None:
            reports = [worker.now() for worker in workers]
            names = ("new", "replays", "duplicates", "entries", "assigned")
            total = {name: sum(report.get(name, 0) for report in reports) for name in names}
            taken = total["new"] + total["replays"] + total["duplicates"]
            whole = total["assigned"] == PARTITIONS and all(report["idle"] for report in reports)
            return total if whole and taken >= records else None

        counts: dict[str, int] = until(done, f"{records} records taken by {[worker.now() for worker in workers]}", 180)
        return counts


def id_of(number: int) -> bytes:
    """12 bytes that look like a fingerprint: evenly spread."""
    return (number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "little") + number.to_bytes(4, "little")
