"""`notify` as a process on a real Kafka: windows through kill -9, and ticks for partitions that went idle."""

from __future__ import annotations

import json
import random
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from agents.merge import merge
from deploy.local.pipeline import Member, Pipeline, environment
from deploy.local.ports import free_ports
from deploy.local.topologies import sockets_only
from streams.admin import ingest_topic_id
from streams.check import load
from streams.envelope import VERSION, Envelope, decode_envelope, encode, is_tick, position
from streams.logtime import UNKNOWN, Progress, Windows
from streams.outcomes import decode_outcomes
from streams.policies import policies
from streams.settings import Kafka, Settings
from streams.targets import narrow
from streams.topology import Topology, milliseconds
from streams.transport.client import RawRecord, read_partition

WORKERS = {"router": {"stages": ["route"]}, "merger": {"stages": ["notify"]}, "rest": {"stages": ["store", "push"]}}
SESSION = "6"  # s, the least that a broker allows as shipped
TYPES = ("member.list.changed", "member.viewing.updated")
LATER = 3_600_000


class Sent(NamedTuple):
    """A notification as it lies on the broker."""

    seq: int
    value: bytes


class Lane:
    """One partition of everything; the lane `normal`, whose worker runs `notify` alone."""

    def __init__(self, kafka: str, prefix: str, directory: Path, window: str) -> None:
        file = sockets_only(directory, WORKERS)
        text = file.read_text().replace("partitions: 8", "partitions: 1").replace("window: 200ms", f"window: {window}")
        file.write_text(text)
        self.topology: Topology = load(text, "topics.yaml", handlers=False)
        self.settings = Settings(topic_prefix=prefix, kafka=Kafka(servers=kafka))
        variables = {
            **environment(kafka, ("127.0.0.1", 9), ("127.0.0.1", 9), directory, 9, 9),
            "LOCKSTEP_TOPOLOGY": str(file), "LOCKSTEP_TOPIC_PREFIX": prefix,
            "LOCKSTEP_KAFKA__SESSION_TIMEOUT": SESSION,
        }  # fmt: skip
        self.pipeline = Pipeline(variables, directory, health_ports=free_ports(20))
        self.pipeline.command("topics", "apply")
        self._topic_id = ingest_topic_id(self.settings)
        self._producer: Any = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "log_level": 0})
        self._offset = 0
        self._chance = random.Random(5)

    def worker(self, **environment: str) -> Member:
        """Start the worker, and wait until it reads."""
        member = self.pipeline.worker("merger", **environment)
        self.pipeline.wait_ready([member])
        return member

    def put(self, number: int) -> None:
        """Events of three accounts, as the router would put them; all of one time, so that none supersedes another."""
        for _ in range(number):
            self._offset += 1
            type_ = self._chance.choice(TYPES)
            titles = {"added": [self._offset], "removed": [self._chance.randint(1, self._offset)]}
            envelope = Envelope(
                version=VERSION, topic_id=self._topic_id, partition=0, seq=position(1, self._offset), lane=2,
                account=f"account-{self._chance.randrange(3)}", source="/s", id=f"e{self._offset}", type=type_,
                time=LATER, appended=LATER, deadline=2**50, expires=2**50, content_type="application/json",
                payload=json.dumps({"titles": titles}).encode(),
                collapse_key=self._chance.choice(["", "title-1"]) if type_ == TYPES[1] else "",
            )  # fmt: skip
            self._producer.produce(self.topic("events.normal"), encode(envelope), envelope.account.encode(), 0)
        assert self._producer.flush(20) == 0

    def topic(self, name: str) -> str:
        """A topic's full name."""
        return self.settings.topic_prefix + name

    def read(self, name: str) -> list[RawRecord]:
        """All that is in a topic."""
        return list(read_partition(self.settings.kafka.servers, self.topic(name), 0, 0))

    def sent(self) -> list[Sent]:
        """All notifications, copies included, in the order of the log."""
        return [Sent(decode_envelope(record.value or b"").seq, record.value or b"") for record in self.read(
            "notifications.normal") if not is_tick(record.value)]  # fmt: skip

    def merged(self) -> set[int]:
        """Positions of the events that `outcomes` says were merged into others."""
        return {o.seq for record in self.read("outcomes") for o in decode_outcomes(record.value or b"").outcomes}

    def events(self) -> int:
        """Events that the notifications stand for."""
        return sum(len(decode_envelope(sent.value).events or ("",)) for sent in self.sent())

    def has_sent_more_than(self, number: int) -> bool:
        """Whether there are more notifications than so many."""
        return len(self.sent()) > number

    def expected(self) -> list[Sent]:
        """What the log of events must become, by the pure core."""
        rules = policies(self.topology)
        windows: Windows[Envelope] = Windows(
            milliseconds(self.topology.lanes["normal"].window), Progress(0, -1, UNKNOWN)
        )
        survivors: list[Envelope] = []
        for record in self.read("events.normal"):
            left = [windows.pass_time(record.offset, record.timestamp)]
            if not is_tick(record.value):
                envelope = decode_envelope(record.value or b"")
                assert windows.take(envelope.seq)
                rule = rules[envelope.type]
                target = narrow(envelope.target, rule.types, rule.least)
                assert target is not None
                envelope.target = target
                left.append(windows.hold(envelope, len(record.value or b"")))
            survivors += [e for group in left for e in merge(group, rules).survivors]
        return [Sent(e.seq, encode(e)) for e in survivors]


def until(condition: Callable[[], Any], what: str, deadline: float = 40.0) -> None:
    """Wait for a condition; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"not within {deadline:g} s: {what}"
        time.sleep(0.02)


def counted(member: Member, name: str) -> float:
    """A metric of the stage in its lane."""
    url = f"http://127.0.0.1:{member.health_port}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    labels = '{lane="normal",stage="notify"}'
    return float(next(line.split()[-1] for line in lines if line.startswith(f"lockstep_{name}_total{labels}")))


@pytest.fixture
def lane(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Callable[[str], Lane]]:
    """Makes a lane with a window of that length; its workers are stopped after the test."""
    made: list[Lane] = []

    def make(window: str) -> Lane:
        made.append(Lane(kafka, prefix, tmp_path, window))
        return made[-1]

    yield make
    for one in made:
        one.pipeline.stop()


def test_a_kill_in_the_middle_of_a_window_changes_nothing(lane: Callable[[str], Lane]) -> None:
    """What was held is read again; with what comes after, it leaves as it would have left: ids, positions, content."""
    of = lane("8s")
    first = of.worker()
    until(lambda: time.time() % 8 < 3, "a window has just begun")
    of.put(5)
    until(lambda: counted(first, "records") >= 5, "the window holds five")
    first.kill()
    assert of.sent() == []
    of.put(5)
    of.worker()
    until(lambda: of.events() == 10, "all have left")
    assert of.sent() == of.expected()


def test_a_replay_of_windows_that_have_left_is_the_same_byte_for_byte(lane: Callable[[str], Lane]) -> None:
    """Killed before any commit, time and again, under load: each copy is that of before, and none is new."""
    of = lane("300ms")
    of.put(20)
    for _ in range(2):
        worker = of.worker(LOCKSTEP_KAFKA__COMMIT_INTERVAL="600")
        before = len(of.sent())
        for _ in range(8):
            of.put(7)
            until(partial(counted, worker, "records"), "it reads")
            time.sleep(0.05)  # so that the log has several windows: nothing is asserted of when
        until(partial(of.has_sent_more_than, before), "some windows have left")
        worker.kill()
    of.worker()
    by_seq: dict[int, bytes] = {}

    def whole() -> bool:
        taken = list(rising(of.sent()))
        return bool(taken) and taken == of.expected() and taken[-1].seq == position(1, of._offset)

    until(whole, "everything has left")
    for sent in of.sent():
        assert by_seq.setdefault(sent.seq, sent.value) == sent.value
    assert len(of.sent()) > len(by_seq)
    everything = {position(1, offset) for offset in range(1, of._offset + 1)}
    until(lambda: of.merged() | by_seq.keys() == everything, "each has its outcome")
    assert not of.merged() & by_seq.keys()


def rising(sent: list[Sent]) -> Iterator[Sent]:
    """What the rule of the watermark leaves of a log."""
    highest = -1
    for one in sent:
        if one.seq > highest:
            highest = one.seq
            yield one


def test_an_idle_partition_is_closed_by_a_tick(lane: Callable[[str], Lane]) -> None:
    """One event and then nothing: it leaves, the commit reaches the end of the log, and the ticks stay few."""
    of = lane("300ms")
    worker = of.worker(LOCKSTEP_KAFKA__COMMIT_INTERVAL="0.2")
    of.put(1)
    until(of.sent, "it has left")
    records = of.read("events.normal")
    assert [is_tick(record.value) for record in records] == [False, True]
    assert records[1].timestamp // 300 > records[0].timestamp // 300
    assert worker.stop() == 0
    of.put(1)
    of.worker()
    until(lambda: len(of.sent()) == 2, "the next has left")
    assert of.sent() == of.expected()
    assert len(of.read("events.normal")) == 4
