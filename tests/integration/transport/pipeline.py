"""The small pipeline that the transport is tried with: its topics, its worker processes, the oracle over its logs."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioPartition
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.marker import without_markers
from streams.transport.client import RawRecord, read_partition, watermarks
from streams.transport.mark import Mark, decode_metadata
from tests import topics
from tests.integration.transport.stages import SEQ
from tests.integration.transport.worker import Options

PARTITIONS = 4
TOPICS = ("ingest", "events.a", "events.b", "notifications.a", "push.a")
INPUTS = {"router": ("ingest",), "lane": ("events.a", "notifications.a")}
ROOT = Path(__file__).parents[3]


def until(condition: Callable[[], Any], what: str, deadline: float = 40.0) -> Any:
    """The first true value of `condition`; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {deadline:g} s: {what}")


class Verdict(NamedTuple):
    """What the rule of the watermark makes of one topic's log."""

    taken: int
    copies: int
    missing: int
    unexpected: int
    in_order: bool


class Worker:
    """One worker process."""

    def __init__(self, options: Options, log: Path) -> None:
        self.kind = options.kind
        self.log = log
        self._report = Path(options.report)
        command = [sys.executable, "-m", "tests.integration.transport", msgspec.json.encode(options).decode()]
        with log.open("w") as file:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)

    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.send(signal.SIGTERM)
        return self.process.wait(40)

    def last(self) -> dict[str, Any]:
        """Its newest report, empty before the first."""
        if not self._report.exists():
            return {}
        lines = [line for line in self._report.read_text().splitlines(keepends=True) if line.endswith("}\n")]
        report: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return report

    def count(self, name: str) -> int:
        """One of the numbers that its stages count."""
        number: int = self.last().get("counts", {}).get(name, 0)
        return number

    def assigned(self) -> int:
        """Partitions that it reads."""
        return len(self.last().get("partitions", {}))


class Pipeline:
    """ingest -> router -> events.a, events.b; events.a -> lane: notify -> notifications.a -> lane: store -> push.a."""

    def __init__(self, servers: str, prefix: str, home: Path, replication: int = 1) -> None:
        self.replication = replication
        self.servers = servers
        self.prefix = prefix
        self.workers: list[Worker] = []
        self._home = home
        self.admin = AdminClient({"bootstrap.servers": servers})

    # -- topics

    def create(self, **configs: dict[str, str]) -> None:
        """Make the topics; `configs` by name with `_` for `.`."""
        new = [
            NewTopic(self.prefix + name, PARTITIONS, self.replication, config=configs.get(name.replace(".", "_"), {}))
            for name in TOPICS
        ]
        compact = {"cleanup.policy": "compact"}
        changelog = NewTopic(f"{self.prefix}router-seen-changelog", PARTITIONS, self.replication, config=compact)
        topics.create(self.admin, [*new, changelog])

    def delete(self, *names: str) -> None:
        """Delete topics."""
        topics.delete(self.admin, [self.prefix + name for name in names])

    def fill(
        self,
        number: int,
        seed: int = 1,
        duplicates: float = 0.05,
        rate: float = 0.0,
        size: int = 200,
        *,
        dense: bool = False,
    ) -> None:
        """Put `number` events into `ingest`, some twice; `rate` a second, 0 is at once; `dense`: incompressible."""
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 5, "compression.type": "lz4"})
        chance = random.Random(seed)
        recent: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        start = time.monotonic()
        for done in range(number):
            partition = chance.randrange(PARTITIONS)
            if recent[partition] and chance.random() < duplicates:
                value = chance.choice(recent[partition])
            else:
                value = chance.randbytes(size) if dense else chance.randbytes(16) + b"x" * (size - 16)
                recent[partition] = [*recent[partition][-200:], value]
            producer.produce(self.prefix + "ingest", value, b"account-%d" % (done % 1000), partition)
            if done % 50 == 0:
                producer.poll(0)
                time.sleep(max(0.0, start + done / rate - time.monotonic()) if rate else 0.0)
        assert producer.flush(30) == 0

    def read(self, name: str) -> dict[int, list[RawRecord]]:
        """All records of a topic by partition, without the markers of sessions."""
        topic = self.prefix + name
        return {
            number: without_markers(list(read_partition(self.servers, topic, number, 0)))
            for number in range(PARTITIONS)
        }

    def ends(self, name: str) -> dict[int, int]:
        """End offsets of a topic."""
        found = watermarks(self.servers, self.prefix + name, range(PARTITIONS))
        return {partition: high for partition, (_, high) in found.items()}

    # -- workers

    def start(self, kind: str, **options: Any) -> Worker:
        """Start a worker; `options` are those of the worker module."""
        name = f"{kind}-{len(self.workers)}"
        settings = Options(
            kind=kind,
            prefix=self.prefix,
            servers=self.servers,
            datadir=str(self._home / name),
            report=str(self._home / f"{name}.jsonl"),
            **options,
        )
        worker = Worker(settings, self._home / f"{name}.log")
        self.workers.append(worker)
        return worker

    def kill_all(self) -> None:
        """End every worker that lives, also a stopped one."""
        for worker in self.workers:
            if worker.alive():
                worker.kill()

    def logs(self) -> str:
        """What all workers have logged."""
        return "".join(worker.log.read_text() for worker in self.workers)

    # -- commits

    def committed(self, kind: str) -> dict[tuple[str, int], Mark]:
        """Committed marks of a worker's group by topic, without prefix, and partition."""
        return asyncio.run(_committed(self.servers, self.prefix + kind, self._inputs(kind)))

    def lag(self, kind: str) -> int:
        """Records behind the committed offsets of a worker's group."""
        marks = self.committed(kind)
        ends = {name: self.ends(name.removeprefix(self.prefix)) for name, _ in self._inputs(kind)}
        return sum(
            end - (marks[name, partition].offset if (name, partition) in marks else 0)
            for name, of_topic in ends.items()
            for partition, end in of_topic.items()
        )

    def drain(self, deadline: float = 60.0) -> None:
        """Wait until everything is worked off and committed."""
        until(lambda: self.lag("router") == 0, "the router has no lag", deadline)
        until(lambda: self.lag("lane") == 0, "the lane has no lag", deadline)

    def _inputs(self, kind: str) -> list[tuple[str, int]]:
        return [(self.prefix + name, partition) for name in INPUTS[kind] for partition in range(PARTITIONS)]

    # -- oracle

    def judge(self) -> dict[str, Verdict]:
        """What each topic behind `ingest` holds, against what `ingest` says that it should."""
        lanes = _expected(self.read("ingest"))
        expected = {"events.a": lanes[0], "events.b": lanes[1], "notifications.a": lanes[0], "push.a": lanes[0]}
        return {name: _verdict(self.read(name), wanted) for name, wanted in expected.items()}

    def check(self) -> dict[str, Verdict]:
        """Nothing is missing, nothing too much, and all is in order, in every topic."""
        verdicts = self.judge()
        for name, verdict in verdicts.items():
            assert (verdict.missing, verdict.unexpected, verdict.in_order) == (0, 0, True), (name, verdict)
        return verdicts


def _expected(ingest: dict[int, list[RawRecord]]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    lanes: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
    for partition, records in ingest.items():
        seen = set()
        for lane in lanes:
            lane[partition] = []
        for record in records:
            assert record.value is not None
            if record.value[:12] not in seen:
                seen.add(record.value[:12])
                lanes[record.value[0] & 1][partition].append(record.offset)
    return lanes


def _verdict(found: dict[int, list[RawRecord]], expected: dict[int, list[int]]) -> Verdict:
    taken_all = copies = missing = unexpected = 0
    in_order = True
    for partition, records in found.items():
        taken = watermark_rule(SEQ.unpack_from(record.value or b"")[0] for record in records)
        copies += len(records) - len(taken)
        taken_all += len(taken)
        missing += len(set(expected[partition]) - set(taken))
        unexpected += len(set(taken) - set(expected[partition]))
        in_order &= taken == expected[partition]
    return Verdict(taken_all, copies, missing, unexpected, in_order)


def watermark_rule(seqs: Iterable[int]) -> list[int]:
    """What remains when everything at or below the highest so far is dropped."""
    highest = -1
    taken = []
    for seq in seqs:
        if seq > highest:
            highest = seq
            taken.append(seq)
    return taken


async def _committed(servers: str, group: str, sources: list[tuple[str, int]]) -> dict[tuple[str, int], Mark]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [AioPartition(*source) for source in sources]
        consumer.assign(partitions)
        found = await consumer._coordinator.fetch_committed_offsets(partitions)
    finally:
        await consumer.stop()
    return {(tp[0], tp[1]): decode_metadata(at.offset, at.metadata) for tp, at in found.items()}
