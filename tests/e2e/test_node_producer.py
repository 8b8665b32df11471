"""An independent client, kafkajs with the CloudEvents SDK for JavaScript, publishes what lockstep reads."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka.admin import AdminClient, NewTopic

from streams.cloudevents import decode
from streams.event import Event
from streams.transport.client import Publisher, RawRecord, partition_for, read_partition
from tests import node
from tests.e2e.household import Household
from tests.e2e.system import System
from tests.topics import create

EXAMPLE = Path(__file__).parents[2] / "examples" / "node-producer"
PARTITIONS = 12
TIME = "2027-01-15T08:00:00.000Z"
TIME_MS = 1_800_000_000_000
#: Latin, accented, Cyrillic, Japanese, and what JavaScript holds as two units.
LETTERS = "abcXYZ019-_.äöéßжшфщ日本語の家族😀🎬🏡"

EVENTS: list[dict[str, Any]] = [
    {"id": "object", "datacontenttype": "application/json", "data": {"title": "Amélie 🎬", "n": [1, 2.5, None]}},
    {"id": "string", "datacontenttype": "application/json", "data": "only a string"},
    {"id": "no-type", "data": {"a": 1}},
    {"id": "text", "datacontenttype": "text/plain", "data": "plain ä"},
    {"id": "bytes", "datacontenttype": "application/octet-stream", "data_base64": "AP8QgA=="},
    {"id": "nothing"},
    {"id": "extensions", "data": 1, "version": 7, "collapsekey": "profile-ä", "devicetypes": "tv,phone",
     "origindevice": "phone-1", "expirytime": "2027-01-15T09:00:00Z", "traceparent": "00-a-b-01"},
]  # fmt: skip


class Line(NamedTuple):
    """What the producer says of an event."""

    id: str
    account: str
    partition: int
    offset: int


@pytest.fixture(scope="module")
def installed() -> Path:
    """The example with its dependencies, installed once as its lock file says."""
    return node.installed(EXAMPLE)


@pytest.fixture
def topic(kafka: str, prefix: str) -> str:
    """A topic of the test's own."""
    client: Any = AdminClient({"bootstrap.servers": kafka})
    create(client, [NewTopic(f"{prefix}ingest", PARTITIONS, 1)])
    return f"{prefix}ingest"


def run(example: Path, *arguments: str, events: Sequence[dict[str, Any]] = ()) -> subprocess.CompletedProcess[str]:
    """Run the producer on these events."""
    lines = "".join(json.dumps(event) + "\n" for event in events)
    command = ["node", "producer.mjs", *arguments]
    return subprocess.run(command, cwd=example, input=lines, capture_output=True, text=True, check=False, timeout=120)


def publish(example: Path, kafka: str, topic: str, mode: str, events: Sequence[dict[str, Any]]) -> list[Line]:
    """Publish events and return where they lie, in their order."""
    ran = run(example, "--brokers", kafka, "--topic", topic, "--mode", mode, "--file", "-", events=events)
    assert (ran.returncode, ran.stderr) == (0, "")
    return [Line(**json.loads(line)) for line in ran.stdout.splitlines()]


def stored(kafka: str, topic: str, line: Line) -> RawRecord:
    """The record at the place that the producer named."""
    return next(read_partition(kafka, topic, line.partition, line.offset, line.offset + 1))


def read(record: RawRecord) -> Event:
    """The record as the router reads it."""
    return decode(record.key, record.value, record.headers)


def payload(event: dict[str, Any]) -> Any:
    """What the event carries: a JSON value, text or bytes."""
    return {"bytes": b"\x00\xff\x10\x80", "text": "plain ä".encode()}.get(event["id"], event.get("data"))


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_lockstep_reads_what_it_writes(installed: Path, kafka: str, topic: str, mode: str) -> None:
    """Every kind of payload and every extension arrives as it was meant, in both modes."""
    common = {"source": "/node", "type": "member.list.changed", "subject": "familie-müller-日本", "time": TIME}
    lines = publish(installed, kafka, topic, mode, [{**common, **event} for event in EVENTS])
    assert [line.id for line in lines] == [event["id"] for event in EVENTS]
    for line, given in zip(lines, EVENTS, strict=True):
        event = read(stored(kafka, topic, line))
        assert (event.id, event.account, event.source) == (given["id"], "familie-müller-日本", "/node")
        assert (event.type, event.time) == ("member.list.changed", TIME_MS)
        raw = given["id"] in ("bytes", "text")
        assert (event.payload if raw or not event.payload else json.loads(event.payload)) == (payload(given) or b"")
    assert (event.revision, event.collapse_key, event.origin) == (7, "profile-ä", "phone-1")
    assert (event.device_types, event.expires, event.trace) == (("tv", "phone"), TIME_MS + 3_600_000, "00-a-b-01")


def test_an_account_lands_on_the_same_partition_from_every_client(installed: Path, kafka: str, topic: str) -> None:
    """kafkajs, librdkafka with `murmur2_random`, aiokafka and lockstep agree on 500 accounts."""
    chance = random.Random(7)
    accounts = sorted({"".join(chance.choices(LETTERS, k=chance.randint(1, 30))) for _ in range(520)})[:500]
    events = [{"source": "/node", "type": "t", "subject": account, "id": str(n)} for n, account in enumerate(accounts)]
    lines = publish(installed, kafka, topic, "binary", events)
    assert [line.account for line in lines] == accounts
    by_kafkajs = [line.partition for line in lines]
    assert by_kafkajs == [partition_for(account.encode(), PARTITIONS) for account in accounts]
    everywhere = list(range(PARTITIONS))
    aiokafka: Any = DefaultPartitioner()
    assert by_kafkajs == [aiokafka(account.encode(), everywhere, everywhere) for account in accounts]
    assert by_kafkajs == by_librdkafka(kafka, topic, accounts)
    assert len(set(by_kafkajs)) == PARTITIONS
    for line in chance.sample(lines, 20):
        assert stored(kafka, topic, line).key == line.account.encode()


def by_librdkafka(kafka: str, topic: str, accounts: Sequence[str]) -> list[int]:
    """The partitions that lockstep's own publisher gets, which leaves the choice to librdkafka."""
    publisher = Publisher(kafka)
    try:
        placed = [publisher.submit(topic, account.encode(), b"") for account in accounts]
        return [place.result()[0] for place in placed]
    finally:
        publisher.close()


@pytest.mark.parametrize(
    ("arguments", "events", "message"),
    [
        (["--count", "many"], [], "--count many: a number"),
        (["--mode", "both", "--count", "1"], [], "--mode both: binary or structured"),
        ([], [], "usage: node producer.mjs"),
        (["--file", "-"], [{"source": "/x", "type": "t", "id": "1"}], "event 1 has no subject: it names the account"),
        (["--file", "nowhere.jsonl"], [], "ENOENT"),
    ],
)
def test_wrong_use_is_one_line(
    installed: Path, kafka: str, arguments: list[str], events: list[dict[str, Any]], message: str
) -> None:
    """What cannot be published is one line on standard error and exit status 1."""
    ran = run(installed, "--brokers", kafka, *arguments, events=events)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: ")
    assert message in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_lock_file_names_no_address() -> None:
    """The lock file pins every package by its hash and leaves the registry to the user's npm."""
    node.check_lock(EXAMPLE)


async def test_what_a_foreign_producer_publishes_reaches_a_television(installed: Path, running: System) -> None:
    """Both modes, through the whole pipeline: every event arrives once, its payload as it was sent."""
    async with Household(running) as home:
        tv = await home.on("tv")
        sent = []
        for mode in ("binary", "structured"):
            events = [
                {"id": f"{mode}-{n}", "source": "/node", "type": "member.viewing.updated", "subject": home.account,
                 "datacontenttype": "application/json", "data": {"n": n, "title": "Amélie"}}
                for n in range(5)
            ]  # fmt: skip
            publish(installed, running.kafka, running.topic("ingest"), mode, events)
            sent += events
        await tv.shows(*(str(event["id"]) for event in sent))
        assert [item["data"] for item in tv.items] == [event["data"] for event in sent]
