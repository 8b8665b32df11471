"""`python -m bench.trace [EVENTS]`: how long `lockstep trace` takes when the topics hold that many events.

Boots a Kafka of its own and fills it with what a system leaves behind that delivered every event to one television:
a record in `ingest`, `events` and `notifications`, and the outcomes stored, pushed and acked, packed as stages pack
them. Then runs the command as a person would, at places from the first event to the last. Every answer is checked.
The last line is JSON; the exit status is 1 when a trace took 2 s or longer.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import confluent_kafka

from bench.program import launch
from deploy.local.servers import local_servers
from streams.admin import ingest_topic_id
from streams.envelope import VERSION, Envelope, encode, position
from streams.murmur2 import partition_for
from streams.outcomes import Outcome, encode_outcomes
from streams.settings import Kafka, Settings

ROOT = Path(__file__).parents[1]
EVENTS = 10_000_000
ACCOUNTS = 10_000
PARTITIONS = 8
PACKED = 200  # outcomes in a record
NORMAL = 2
LIMIT_S = 2.0
TYPE = "member.viewing.updated"
HEADERS = [("content-type", b"application/cloudevents+json")]


class Partition:
    """What is written to one partition of every topic."""

    def __init__(self, number: int, producer: Any, topic_id: bytes) -> None:
        self._number = number
        self._producer = producer
        self._topic_id = topic_id
        self._said: list[list[Outcome]] = [[], [], []]
        self._acked: dict[str, int] = {}
        self.next = 0  # offset in ingest

    def event(self, account: str, now: float) -> None:
        """One event that is delivered."""
        seq, ms = position(1, self.next), int(now * 1000)
        key = account.encode()
        stamp = datetime.fromtimestamp(now, UTC).isoformat()
        data = b'{"title":%d,"position_s":1312}' % self.next
        form = b'{"specversion":"1.0","id":"e%d","source":"/bench","type":"%b","subject":"%b","time":"%b","data":%b}'
        value = form % (self.next, TYPE.encode(), key, stamp.encode(), data)
        self._put("ingest", key, value, HEADERS)
        envelope = encode(Envelope(
            VERSION, self._topic_id, self._number, seq, NORMAL, account, "/bench", f"e{self.next}", TYPE, ms, ms,
            ms + 3_600_000, ms + 86_400_000, "application/json", data,
        ))  # fmt: skip
        self._put("events.normal", key, envelope)
        self._put("notifications.normal", key, envelope)
        self._said[0].append(Outcome("stored", account, seq, ("tv",), "socket: tv (gateway 1 since 1)", lane=NORMAL))
        self._said[1].append(Outcome("pushed", account, seq, ("tv",), lane=NORMAL))
        since = self._acked.get(account, -1)
        self._said[2].append(Outcome("acked", account, seq, ("tv",), since=since, lane=NORMAL))
        self._acked[account] = seq
        self.next += 1
        if len(self._said[0]) == PACKED:
            self.report()

    def report(self) -> None:
        """Put the outcomes."""
        for stage, said in zip(("store", "push", "edge"), self._said, strict=True):
            if said:
                self._put("outcomes", said[0].account.encode(), encode_outcomes(stage, int(time.time() * 1000), said))
            said.clear()

    def _put(self, topic: str, key: bytes, value: bytes, headers: Any = None) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, self._number, headers=headers)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return


def fill(settings: Settings, events: int) -> list[Partition]:
    """Fill the topics with so many events."""
    producer = confluent_kafka.Producer({
        "bootstrap.servers": settings.kafka.servers, "enable.idempotence": True, "acks": "all", "linger.ms": 50,
        "compression.type": "lz4", "queue.buffering.max.messages": 500_000, "batch.size": 1 << 20,
    })  # fmt: skip
    topic_id = ingest_topic_id(settings)
    partitions = [Partition(number, producer, topic_id) for number in range(PARTITIONS)]
    accounts = [f"account-{number}" for number in range(ACCOUNTS)]
    homes = [partitions[partition_for(account.encode(), PARTITIONS)] for account in accounts]
    now = time.time()
    for number in range(events):
        if not number % 1000:
            now = time.time()
            producer.poll(0)
        homes[number % ACCOUNTS].event(accounts[number % ACCOUNTS], now)
    for partition in partitions:
        partition.report()
    assert producer.flush(600) == 0
    return partitions


@contextmanager
def kafka() -> Iterator[Settings]:
    """A Kafka with all topics, removed at the end."""
    with local_servers(["kafka"]) as running:
        settings = Settings(kafka=Kafka(servers=running.endpoints.kafka), topology=str(ROOT / "topics.yaml"))
        lockstep(settings, "topics", "apply")
        yield settings


def lockstep(settings: Settings, *arguments: str) -> str:
    """What a command says."""
    own = {"LOCKSTEP_KAFKA__SERVERS": settings.kafka.servers, "LOCKSTEP_TOPOLOGY": settings.topology}
    command = [sys.executable, "-m", "edge.cli", *arguments]
    done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Took(NamedTuple):
    """Seconds of a trace, its process's start included: by the clock, and of the CPU, whatever else runs."""

    wall: float
    cpu: float


def timed(settings: Settings, *arguments: str) -> tuple[Took, dict[str, Any]]:
    """What a trace took, and what it found."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    text = lockstep(settings, "trace", *arguments, "--json")
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(took, cpu), json.loads(text)


def check(found: dict[str, Any], partition: int, offset: int) -> None:
    """The whole way of the event, with the verdict of every gate."""
    assert (found["partition"], found["offset"], found["event"]["id"]) == (partition, offset, f"e{offset}")
    assert sorted(step["what"] for step in found["steps"]) == ["forwarded", "forwarded", "pushed", "stored"]
    assert [(device["device"], device["outcome"]) for device in found["devices"]] == [("tv", "acked")]
    assert all(gate["passed"] for gate in found["gates"])
    assert {gate["stage"] for gate in found["gates"]} == {"route", "notify", "store"}


def measure(settings: Settings, partitions: list[Partition]) -> dict[str, list[Took]]:
    """What each trace took, by how the event was named."""
    took: dict[str, list[Took]] = {"place": [], "account": []}
    for number, partition in enumerate(partitions):
        offset = (partition.next - 1) * number // (len(partitions) - 1)
        seconds, found = timed(settings, f"{number}:{offset}")
        check(found, number, offset)
        took["place"].append(seconds)
        named = ("--account", found["account"], "--id", f"e{offset}", "--time", found["appended"])
        seconds, found = timed(settings, *named)
        check(found, number, offset)
        took["account"].append(seconds)
    return took


def main() -> int:
    """Fill, measure, report."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with kafka() as settings:
        began = time.perf_counter()
        partitions = fill(settings, events)
        filled = time.perf_counter() - began
        records = sum(3 * partition.next for partition in partitions)
        print(f"filled {records} records of {events} events and {3 * events} outcomes in {filled:.0f} s")
        took = measure(settings, partitions)
    for name, found in took.items():
        wall, cpu = ([getattr(one, what) for one in found] for what in ("wall", "cpu"))
        print(
            f"by {name:8} median {statistics.median(wall):.2f} s, worst {max(wall):.2f} s, of the CPU {max(cpu):.2f} s"
        )
    worst = max(one.wall for found in took.values() for one in found)
    print(json.dumps({
        "bench": "trace", "events": events, "records": records, "outcomes": 3 * events, "fill_s": round(filled, 1),
        **{f"by_{name}_{what}_s": round(of(one.wall for one in found), 3)
           for name, found in took.items() for what, of in (("median", statistics.median), ("worst", max))},
        "worst_cpu_s": round(max(one.cpu for found in took.values() for one in found), 3),
        "limit_s": LIMIT_S, "good": worst < LIMIT_S,
    }))  # fmt: skip
    return 0 if worst < LIMIT_S else 1


if __name__ == "__main__":
    launch(main)
