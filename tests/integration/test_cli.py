"""The command line against a real Kafka: topics, send, trace."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.cli import main
from edge.oncall.tracing import NotFound, Tracer
from streams.admin import ingest_topic_id
from streams.check import load_file
from streams.cloudevents import decode
from streams.deadletters import Origin, dead_letter
from streams.envelope import VERSION, Envelope, Push, encode, notification_id, position
from streams.outcomes import Outcome, encode_outcomes
from streams.settings import Kafka, Settings
from streams.topology import Topology
from streams.transport.client import Publisher, RawRecord, partition_for, read_partition, reader

PARTITIONS = 8
HIGH = 1


def _make(kafka: str, topics_yaml: str) -> Settings:
    """Settings of a cluster with all topics."""
    settings = Settings(topic_prefix=f"cli-{uuid.uuid4().hex[:8]}.", kafka=Kafka(servers=kafka), topology=topics_yaml)
    with pytest.MonkeyPatch.context() as patch:
        _set(patch, settings)
        assert lockstep("topics", "apply").stdout.splitlines()[-1] == "20 made"
    return settings


@pytest.fixture(scope="module")
def made(kafka: str, topics_yaml: str) -> Settings:
    """Topics that tests share: each has accounts of its own."""
    return _make(kafka, topics_yaml)


@pytest.fixture
def empty(kafka: str, topics_yaml: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics that are empty."""
    settings = _make(kafka, topics_yaml)
    _set(monkeypatch, settings)
    return settings


@pytest.fixture
def settings(made: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same, also in the environment."""
    _set(monkeypatch, made)
    return made


def _set(patch: pytest.MonkeyPatch, settings: Settings) -> None:
    patch.setenv("LOCKSTEP_KAFKA__SERVERS", settings.kafka.servers)
    patch.setenv("LOCKSTEP_TOPIC_PREFIX", settings.topic_prefix)
    patch.setenv("LOCKSTEP_TOPOLOGY", settings.topology)


@pytest.fixture
def topology(topics_yaml: str) -> Topology:
    """That of the topics."""
    return load_file(topics_yaml)


@pytest.fixture
def publisher(kafka: str) -> Iterator[Publisher]:
    """Plays the stages."""
    publisher = Publisher(kafka)
    yield publisher
    publisher.close()


def lockstep(*arguments: str, stdin: str = "") -> Result:
    """What a command says; it must succeed."""
    result = CliRunner().invoke(main, arguments, input=stdin)
    assert result.exit_code == 0, result.stderr
    return result


def record(settings: Settings, line: str) -> RawRecord:
    """The record of ingest that a line of `send` names."""
    place = json.loads(line)
    topic = settings.topic_prefix + "ingest"
    return next(read_partition(settings.kafka.servers, topic, place["partition"], place["offset"]))


def test_topics_are_shown_made_and_then_right(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """plan shows what apply makes; what cannot be made is exit status 1."""
    assert lockstep("topics", "plan").stdout == "nothing to do\n"
    changed = tmp_path / "topics.yaml"
    text = Path(settings.topology).read_text()
    changed.write_text(text.replace("retention: 14d", "retention: 15d"))
    monkeypatch.setenv("LOCKSTEP_TOPOLOGY", str(changed))
    name = f"{settings.topic_prefix}dead-letters"
    assert lockstep("topics", "plan").stdout.splitlines() == [
        f"~ {name}: retention.ms 1209600000 -> 1296000000",
        "1 to make: lockstep topics apply",
    ]
    assert lockstep("topics", "apply").stdout.splitlines()[-1] == "1 made"
    changed.write_text(text.replace("partitions: 8", "partitions: 9"))
    result = CliRunner().invoke(main, ["topics", "plan"])
    assert (result.exit_code, result.stderr) == (1, "Error: 20 of 21 differences cannot be made\n")
    assert f"! {name}: has 8 partitions, topics.yaml says 9" in result.stdout


@pytest.mark.parametrize("mode", [[], ["--binary"]], ids=["structured", "binary"])
def test_send_one_event(settings: Settings, mode: list[str]) -> None:
    """The options become a CloudEvent on the account's partition; what is missing is filled in."""
    options = ["--account", "zoë", "--type", "member.plan.changed", "--data", '{"plan": 2}', "--expires", "5m"]
    sent = lockstep("send", *options, "--to-types", "tv,phone", "--version", "3", *mode).stdout
    place = json.loads(sent)
    assert place["partition"] == partition_for("zoë".encode(), PARTITIONS)
    found = record(settings, sent)
    event = decode(found.key, found.value, found.headers)
    assert (event.account, event.type, event.id) == ("zoë", "member.plan.changed", place["id"])
    assert (event.payload, event.device_types, event.revision) == (b'{"plan":2}', ("tv", "phone"), 3)
    assert abs(event.time - found.timestamp) < 60_000
    assert event.expires is not None
    assert 0 < event.expires - event.time <= 301_000


def test_send_a_file_in_order(settings: Settings, tmp_path: Path) -> None:
    """One line for each event, in the order of the file, at places that rise."""
    path = tmp_path / "events.jsonl"
    path.write_text("".join(f'{{"subject":"a1","type":"t","id":"{n}"}}\n\n' for n in range(3000)))
    lines = [json.loads(line) for line in lockstep("send", "--file", str(path)).stdout.splitlines()]
    assert [line["id"] for line in lines] == [str(n) for n in range(3000)]
    assert [line["offset"] for line in lines] == list(range(3000))


def test_send_paces_and_stops_at_a_bad_line(settings: Settings) -> None:
    """With a rate events leave one after the other; those before a bad line are sent and printed."""
    start = time.monotonic()
    lines = '{"subject":"a","type":"t"}\n' * 3
    assert len(lockstep("send", "--file", "-", "--rate", "20", stdin=lines).stdout.splitlines()) == 3
    assert time.monotonic() - start >= 0.1
    result = CliRunner().invoke(main, ["send", "--file", "-"], input=lines + "{\n")
    assert (result.exit_code, len(result.stdout.splitlines())) == (1, 3)
    assert result.stderr.startswith("Error: <stdin>:4: not a JSON object")


class Pipeline:
    """Writes what the stages would write about an event that was sent."""

    def __init__(self, settings: Settings, publisher: Publisher, sent: str) -> None:
        place = json.loads(sent)
        self.account: str = place["account"]
        self.partition: int = place["partition"]
        self.offset: int = place["offset"]
        self.seq = position(1, self.offset)
        self.topic_id = ingest_topic_id(settings)
        self._prefix = settings.topic_prefix
        self._publisher = publisher

    def put(self, topic: str, value: bytes, headers: list[tuple[str, bytes]] | None = None) -> None:
        """Put a record on the event's partition."""
        self._publisher.publish_sync(self._prefix + topic, self.account.encode(), value, headers, self.partition)

    def envelope(self, topic: str, lane: int = HIGH) -> None:
        """The event as an envelope."""
        self.submit(topic, lane).result(30)

    def submit(self, topic: str, lane: int = HIGH) -> Future[tuple[int, int]]:
        """The event as an envelope, on its way to the broker."""
        now = int(time.time() * 1000)
        value = encode(
            Envelope(VERSION, self.topic_id, self.partition, self.seq, lane, self.account, "/s", "e", "t", now, now,
                     now, now + 600_000, "", b"")
        )  # fmt: skip
        return self._publisher.submit(self._prefix + topic, self.account.encode(), value, None, self.partition)

    def push(self, topic: str, device: str) -> None:
        """The notification as a push to one device."""
        self.put(topic, encode(
            Push(VERSION, self.topic_id, self.partition, self.seq, -1, HIGH, self.account, ("e",), "t", 0, 0, 0, "",
                 b"", ((device, 1, 1, 1),))
        ))  # fmt: skip

    def say(self, stage: str, *outcomes: Outcome) -> None:
        """A record of outcomes."""
        self.put("outcomes", encode_outcomes(stage, int(time.time() * 1000), list(outcomes)))


def delivered(settings: Settings, publisher: Publisher, account: str, id_: str) -> Pipeline:
    """Send an event and play its way to two devices, one of which acks."""
    sent = lockstep("send", "--account", account, "--type", "member.plan.changed", "--id", id_).stdout
    stages = Pipeline(settings, publisher, sent)
    stages.envelope("events.high")
    stages.envelope("notifications.high")
    stages.push("push.socket.high", "tv")
    stages.say("store", Outcome("stored", account, stages.seq, ("tv", "phone")))
    stages.say("push", Outcome("pushed", account, stages.seq, ("tv",)))
    stages.say("edge", Outcome("acked", account, stages.seq, ("tv",), since=-1, lane=HIGH))
    return stages


def test_trace_by_place_by_notification_and_by_id(settings: Settings, publisher: Publisher) -> None:
    """All ways to name an event lead to the same trace."""
    stages = delivered(settings, publisher, "a-trace", "e-1")
    place = f"{stages.partition}:{stages.offset}"
    notification = notification_id(stages.seq, stages.partition, stages.topic_id).hex()
    by_place = json.loads(lockstep("trace", place, "--json").stdout)
    assert by_place["verdict"] == "delivered to 1 of 2 devices"
    assert by_place["notification"] == notification
    steps = ["route forwarded", "notify forwarded", "store forwarded", "store stored", "push pushed"]
    assert [f"{step['stage']} {step['what']}" for step in by_place["steps"]] == steps
    assert all(step["ms"] >= 0 for step in by_place["steps"])
    assert {fate["device"]: fate["outcome"] for fate in by_place["devices"]} == {"tv": "acked", "phone": "stored"}
    assert json.loads(lockstep("trace", notification, "--json").stdout) == by_place
    for more in ([], ["--time", time.strftime("%H:%M", time.gmtime())], ["--source", "/lockstep/send"]):
        found = lockstep("trace", "--id", "e-1", "--account", "a-trace", "--json", *more).stdout
        assert json.loads(found) == by_place
    text = lockstep("trace", place).stdout
    assert text.splitlines()[0] == "member.plan.changed  id e-1  source /lockstep/send  account a-trace"
    assert text.splitlines()[-1] == "  delivered to 1 of 2 devices"


def test_trace_of_a_repeated_id_shows_each_record(settings: Settings, publisher: Publisher) -> None:
    """A duplicate has a place of its own and its own outcome."""
    stages = delivered(settings, publisher, "a-twice", "e-2")
    again = lockstep("send", "--account", "a-twice", "--type", "member.plan.changed", "--id", "e-2").stdout
    second = Pipeline(settings, publisher, again)
    second.say("route", Outcome("duplicate", "a-twice", second.seq, detail=f"of {stages.seq}"))
    result = lockstep("trace", "--id", "e-2", "--account", "a-twice")
    assert result.stderr == "2 records of ingest have this id\n"
    assert f"  duplicate (of {stages.seq})" in result.stdout.splitlines()


def test_trace_of_what_was_refused(settings: Settings, publisher: Publisher) -> None:
    """The trace of a dead letter names the reason, and where the original bytes are."""
    topic = settings.topic_prefix + "ingest"
    partition, offset = publisher.publish_sync(topic, b"a-bad", b"{", [("ce_id", b"e-3")])
    stages = Pipeline(settings, publisher, json.dumps({"account": "a-bad", "partition": partition, "offset": offset}))
    origin = Origin(topic, partition, offset, "undecodable", "no")
    stages.put("dead-letters", b"{", dead_letter(origin, [("ce_id", b"e-3")]))
    stages.say("route", Outcome("dead-lettered", "a-bad", stages.seq, detail="undecodable: no"))
    for arguments in ([f"{partition}:{offset}"], ["--id", "e-3", "--account", "a-bad"]):
        lines = lockstep("trace", *arguments).stdout.splitlines()
        assert lines[-1] == "  dead-lettered (undecodable: no)"
        assert any(f"kept dead-letters {partition}:" in line for line in lines)


def test_trace_finds_the_lane_of_before_a_change_of_policy(settings: Settings, publisher: Publisher) -> None:
    """An event may lie in another lane than the one that its type has now."""
    sent = lockstep("send", "--account", "a-lane", "--type", "member.plan.changed").stdout
    stages = Pipeline(settings, publisher, sent)
    stages.envelope("events.low", lane=3)
    trace = json.loads(lockstep("trace", f"{stages.partition}:{stages.offset}", "--json").stdout)
    assert trace["lane"] == "low"
    assert trace["verdict"].startswith("on its way; last seen events.low")


def later(hours: float) -> float:
    """A clock that is ahead."""
    return time.time() + hours * 3600


def test_trace_looks_further_back_window_by_window(empty: Settings, topology: Topology) -> None:
    """An id without a time is found though it is older than the first window."""
    lockstep("send", "--account", "a-old", "--type", "t", "--id", "e-old")
    lockstep("send", "--account", "a-old", "--type", "t", "--id", "e-new")
    with reader(empty.kafka.servers) as source:
        for hours in (0, 0.5, 30, 150):
            tracer = Tracer(empty, topology, source, partial(later, hours))
            assert [place.offset for place in tracer.find("a-old", "e-old", None, None)] == [0]
        with pytest.raises(NotFound, match="no event 'e-none' of account 'a-old'"):
            Tracer(empty, topology, source).find("a-old", "e-none", None, None)


def test_trace_leaps_to_the_event(empty: Settings, publisher: Publisher) -> None:
    """Among thousands of records, some of them repeated by a replay, the event's place is found by halving."""
    lines = "".join(f'{{"subject":"a1","type":"member.plan.changed","id":"{n}"}}\n' for n in range(3000))
    places = [json.loads(line) for line in lockstep("send", "--file", "-", stdin=lines).stdout.splitlines()]
    stages = Pipeline(empty, publisher, json.dumps(places[0]))
    waiting = []
    for offset in (*range(2500), *range(1500, 3000)):
        stages.offset, stages.seq = offset, position(1, offset)
        waiting.append(stages.submit("events.high"))
    for placed in waiting:
        placed.result(30)
    for offset in (0, 1, 1499, 1500, 2000, 2499, 2500, 2999):
        trace = json.loads(lockstep("trace", f"{stages.partition}:{offset}", "--json").stdout)
        assert [step["what"] for step in trace["steps"]] == ["forwarded"], offset
        at = int(trace["steps"][0]["where"].rpartition(":")[2])
        assert at in (offset, offset + 1000), offset


def test_trace_of_what_is_not_there(settings: Settings, publisher: Publisher) -> None:
    """A place without a record and a notification of a deleted topic are errors of one line."""
    result = CliRunner().invoke(main, ["trace", "3:999"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: nothing at {settings.topic_prefix}ingest 3:999")
    foreign = notification_id(position(1, 0), 0, b"\x00\x00\x00\x00").hex()
    result = CliRunner().invoke(main, ["trace", foreign])
    assert "comes from another" in result.stderr
