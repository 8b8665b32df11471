"""`lockstep audit` against a real Kafka: topics that hold everything, and topics from which something is missing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, TopicPartition

from edge.cli import main
from streams.admin import ingest_topic_id
from streams.envelope import VERSION, Envelope, encode, position
from streams.outcomes import Outcome, encode_outcomes
from streams.settings import Kafka, Settings
from streams.transport.client import Placed, Publisher

PARTITION = 2
HIGH = 1
ACCOUNT = "zoë"


class Stages:
    """Plays the stages on a partition: writes what they write, commits what they commit."""

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self.topic_id = ingest_topic_id(settings)
        self._settings = settings
        self._publisher = publisher

    def put(self, topic: str, value: bytes) -> int:
        """Put a record; its offset."""
        name = self._settings.topic_prefix + topic
        placed: Placed = self._publisher.publish_sync(name, ACCOUNT.encode(), value, None, PARTITION)
        return placed[1]

    def forward(self, topic: str, offset: int) -> None:
        """The event at an offset of `ingest` as an envelope in a topic."""
        now = int(time.time() * 1000)
        self.put(topic, encode(
            Envelope(VERSION, self.topic_id, PARTITION, position(1, offset), HIGH, ACCOUNT, "/s", "e", "t", now, now,
                     now, now + 600_000, "", b"")
        ))  # fmt: skip

    def say(self, stage: str, *outcomes: Outcome) -> None:
        """Outcomes of a stage."""
        self.put("outcomes", encode_outcomes(stage, int(time.time() * 1000), list(outcomes)))

    def commit(self, worker: str, topic: str, offset: int) -> None:
        """What a worker commits when it has taken everything below an offset."""
        prefix = self._settings.topic_prefix
        consumer = Consumer({"bootstrap.servers": self._settings.kafka.servers, "group.id": prefix + worker})
        try:
            consumer.commit(offsets=[TopicPartition(prefix + topic, PARTITION, offset)], asynchronous=False)
        finally:
            consumer.close()


@pytest.fixture
def stages(kafka: str, prefix: str, topics_yaml: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stages]:
    """All topics of a prefix, on which nothing runs."""
    monkeypatch.setenv("LOCKSTEP_KAFKA__SERVERS", kafka)
    monkeypatch.setenv("LOCKSTEP_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("LOCKSTEP_TOPOLOGY", topics_yaml)
    assert CliRunner().invoke(main, ["topics", "apply"]).exit_code == 0
    publisher = Publisher(kafka)
    settings = Settings(topic_prefix=prefix, kafka=Kafka(servers=kafka), topology=topics_yaml)
    yield Stages(settings, publisher)
    publisher.close()


def audit(*range_: str) -> tuple[int, dict[str, Any]]:
    """Exit status and object."""
    result = CliRunner().invoke(main, ["audit", *(range_ or ("1h", "0s")), "--json"])
    assert result.stdout, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, found


def delivered(stages: Stages) -> int:
    """An event that is stored for a television, which has acked it."""
    offset = stages.put("ingest", b"{}")
    stages.forward("events.high", offset)
    stages.forward("notifications.high", offset)
    seq = position(1, offset)
    stages.say("store", Outcome("stored", ACCOUNT, seq, ("tv",), lane=HIGH))
    stages.say("edge", Outcome("acked", ACCOUNT, seq, ("tv",), since=-1, lane=HIGH))
    return offset


def test_topics_that_hold_everything(stages: Stages) -> None:
    """Nothing to name, exit status 0, the sums of each stage."""
    delivered(stages)
    offset = stages.put("ingest", b"not an event")
    stages.say("route", Outcome("stale", ACCOUNT, position(1, offset)))
    stages.put("ingest", b"still to be read")
    stages.commit("router", "ingest", offset + 1)
    status, found = audit()
    assert (status, found["events"], found["defects"]) == (0, 3, [])
    assert found["ends"] == {"devices": 1, "stale": 1, "in flight": 1}
    assert found["stages"][0] == {
        "stage": "route", "lane": "all", "in": 3, "forwarded": {"events.high": 1}, "outcomes": {"stale": 1},
        "in_flight": 1, "missing": 0,
    }  # fmt: skip
    assert [(d["lane"], d["targeted"], d["acked"]) for d in found["devices"]] == [("high", 1, 1)]


def lose(stages: Stages) -> int:
    """The router committed an event of which nothing is to be found."""
    offset = stages.put("ingest", b"{}")
    stages.commit("router", "ingest", offset + 1)
    return offset


def silence(stages: Stages) -> int:
    """The lane's worker committed an event without a notification, and said nothing."""
    offset = stages.put("ingest", b"{}")
    stages.forward("events.high", offset)
    stages.commit("high", "events.high", offset + 1)
    return offset


def invent(stages: Stages) -> int:
    """A notification of an event that is not there."""
    stages.forward("notifications.high", 77)
    return 77


@pytest.mark.parametrize("break_", [lose, silence, invent])
def test_broken_topics_name_the_event(stages: Stages, break_: Callable[[Stages], int]) -> None:
    """Partition and offset of what is missing, or should not be; exit status 1."""
    delivered(stages)
    offset = break_(stages)
    status, found = audit()
    assert (status, found["broken"]) == (1, 1)
    assert (found["defects"][0]["partition"], found["defects"][0]["offset"]) == (PARTITION, offset)
    text = run("audit", "1h", "0s")
    assert text.stdout.splitlines()[-2].startswith(f"! {PARTITION}:{offset} ")
    assert text.stdout.splitlines()[-1] == "broken: 1 defects"


def test_the_range_is_what_was_appended_in_it(stages: Stages) -> None:
    """Events before and behind it do not count, whatever is wrong with them; RFC 3339 times are taken too."""
    lose(stages)
    time.sleep(0.05)
    begin = datetime.now(UTC)
    delivered(stages)
    time.sleep(0.05)
    end = datetime.now(UTC)
    lose(stages)
    status, found = audit(begin.isoformat(), end.isoformat())
    assert (status, found["events"], found["ends"]) == (0, 1, {"devices": 1})
    assert audit()[1]["broken"] == 2


def test_what_retention_took_cannot_be_audited(stages: Stages) -> None:
    """A range that reaches further back than a topic is refused with the topic's name; so is one that is empty."""
    result = run("audit", "2d", "1d")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: push.{platform}.{lane} keeps 1d")
    assert run("audit", "1h", "2h").stderr == "Error: the range ends before it begins\n"
    assert run("audit", "yesterday", "1h").exit_code == 2


def run(*arguments: str) -> Result:
    """A command and what it says."""
    return CliRunner().invoke(main, arguments)
