"""`lockstep dlq` against a real Kafka: dead letters found, put into ingest again and discarded, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge.cli import main
from edge.oncall.dlq import DeadLetters
from edge.oncall.letters import Wanted
from streams.check import load_file
from streams.deadletters import Done, Origin, dead_letter, done, letter
from streams.settings import Kafka, Settings
from streams.transport.client import Publisher, RawRecord, partition_for, read_partition

HEADERS = [("ce_id", b"e-1"), ("content-type", b"application/json")]
ACCOUNT = b"acct"
HOME = partition_for(ACCOUNT, 8)
AWAY = (HOME + 1) % 8


class Cluster:
    """The topics of a test, and what plays the router."""

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self.settings = settings
        self._publisher = publisher

    def letter(
        self, offset: int, reason: str = "unknown-type", partition: int = HOME, key: bytes | None = ACCOUNT
    ) -> str:
        """Write a dead letter; its place."""
        origin = Origin(f"{self.settings.topic_prefix}ingest", partition, offset, reason, "why", b"topc")
        topic = f"{self.settings.topic_prefix}dead-letters"
        value = b'{"n":%d}' % offset
        placed = self._publisher.publish_sync(topic, key, value, dead_letter(origin, HEADERS), partition)
        return ":".join(map(str, placed))

    def large(self, offset: int) -> str:
        """Write the dead letter of a record that is too large for one; its place."""
        origin = Origin(f"{self.settings.topic_prefix}ingest", HOME, offset, "oversized", "why", b"topc")
        made = letter(origin, RawRecord(offset, 0, ACCOUNT, b"x" * 5_000, HEADERS), 4_000)
        topic = f"{self.settings.topic_prefix}dead-letters"
        return ":".join(map(str, self._publisher.publish_sync(topic, *made, HOME)))

    def read(self, topic: str, partition: int) -> list[RawRecord]:
        """A partition, whole."""
        return list(read_partition(self.settings.kafka.servers, self.settings.topic_prefix + topic, partition, 0))


@pytest.fixture
def cluster(kafka: str, prefix: str, topics_yaml: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """All topics, also in the environment."""
    monkeypatch.setenv("LOCKSTEP_KAFKA__SERVERS", kafka)
    monkeypatch.setenv("LOCKSTEP_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("LOCKSTEP_TOPOLOGY", topics_yaml)
    lockstep("topics", "apply")
    publisher = Publisher(kafka)
    yield Cluster(Settings(topic_prefix=prefix, kafka=Kafka(servers=kafka), topology=topics_yaml), publisher)
    publisher.close()


def invoke(*arguments: str, stdin: str = "") -> Result:
    """What a command says."""
    return CliRunner().invoke(main, arguments, input=stdin)


def lockstep(*arguments: str, stdin: str = "") -> Result:
    """The same; it must succeed."""
    result = invoke(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result


def listed(*arguments: str) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [json.loads(line) for line in lockstep("dlq", "list", "--json", *arguments).stdout.splitlines()]


def places(*arguments: str) -> list[str]:
    """The places of a list."""
    return [f"{letter['partition']}:{letter['offset']}" for letter in listed(*arguments)]


def test_list_finds_what_is_asked_for(cluster: Cluster) -> None:
    """By place, reason, topic, partition, account and time; with a limit it says that there are more."""
    assert places() == []
    mine, bad = cluster.letter(1), cluster.letter(2, "undecodable")
    away = cluster.letter(3, "wrong-partition", AWAY, b"other")
    everything = sorted([mine, bad, away])
    assert sorted(places()) == everything
    assert places("--reason", "undecodable") == places(bad) == [bad]
    assert places("--partition", str(AWAY)) == places("--account", "other") == places("--key", "other") == [away]
    assert sorted(places("--source", f"{cluster.settings.topic_prefix}ingest", "--since", "5m")) == everything
    assert places("--until", "5m") == places("--since", "2099-01-01T00:00:00Z") == places("--source", "else") == []
    result = lockstep("dlq", "list", "--partition", str(HOME), "--limit", "1")
    assert result.stdout.splitlines()[0].startswith(f"{mine}  ")
    assert len(result.stdout.splitlines()) == 1
    assert "there are more than 1" in result.stderr


def test_show_keeps_the_payload_to_itself_unless_asked(cluster: Cluster) -> None:
    """And says where nothing is."""
    place = cluster.letter(7)
    shown = json.loads(lockstep("dlq", "show", place).stdout)
    assert (shown["origin"]["offset"], shown["headers"]["ce_id"], shown["event"]) == (7, "e-1", None)
    assert "value" not in shown
    assert json.loads(lockstep("dlq", "show", place, "--payload").stdout)["value"] == {"text": '{"n":7}'}
    assert "no dead letter at 3:99" in invoke("dlq", "show", "3:99").stderr


def test_replay_puts_the_record_where_its_key_belongs_with_its_place(cluster: Cluster) -> None:
    """As it was, and with the place at which it lay; a record without a key stays on its partition; then it is done."""
    mine = cluster.letter(1)
    moved = cluster.letter(2, "wrong-partition", AWAY)
    keyless = cluster.letter(3, "key-mismatch", AWAY, None)
    result = lockstep("dlq", "replay", "--all", "--yes", "--json")
    assert "3 dead letters replayed" in result.stderr
    placed = {f"{r['partition']}:{r['offset']}": r["placed"] for r in map(json.loads, result.stdout.splitlines())}
    home, away = cluster.read("ingest", HOME), cluster.read("ingest", AWAY)
    assert sorted(placed) == sorted([mine, moved, keyless])
    assert [r.value for r in home] == ([b'{"n":1}', b'{"n":2}'] if HOME < AWAY else [b'{"n":2}', b'{"n":1}'])
    assert [(r.key, r.value) for r in away] == [(None, b'{"n":3}')]
    by_value = {record.value: record for record in home}
    assert by_value[b'{"n":1}'].headers == [*HEADERS, ("lockstep-first", b"%d:1" % HOME)]
    assert by_value[b'{"n":2}'].headers == [*HEADERS, ("lockstep-first", b"%d:2" % AWAY)]
    offset = next(record.offset for record in home if record.value == b'{"n":2}')
    assert placed[moved] == f"{HOME}:{offset}"
    assert {letter["state"] for letter in listed()} == {"replayed"}
    assert places("--open") == []


def test_what_is_done_is_not_done_again_unless_asked(cluster: Cluster) -> None:
    """Neither what was replayed nor what was discarded, copies of these included."""
    first, second = cluster.letter(1), cluster.letter(2)
    lockstep("dlq", "replay", first, "--yes")
    lockstep("dlq", "discard", second, "--yes")
    cluster.letter(1)
    result = lockstep("dlq", "replay", "--all", "--yes")
    assert "0 dead letters; nothing was done" in result.stderr
    assert len(cluster.read("ingest", HOME)) == 1
    assert [letter["state"] for letter in listed()] == ["replayed", "discarded"]
    lockstep("dlq", "replay", second, "--again", "--yes")
    assert [record.value for record in cluster.read("ingest", HOME)] == [b'{"n":1}', b'{"n":2}']
    assert [letter["state"] for letter in listed()] == ["replayed", "replayed"]


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_nothing_is_done_unasked(cluster: Cluster, action: str) -> None:
    """Not without a choice, not in a dry run, not when the answer is no; it shows what it would do."""
    place = cluster.letter(1)
    assert "say which" in invoke("dlq", action, "--yes").stderr
    dry = lockstep("dlq", action, "--all", "--dry-run")
    refused = invoke("dlq", action, place, stdin="n\n")
    assert refused.exit_code == 1
    for shown in (dry, refused):
        assert shown.stdout.startswith(f"{place}  ")
    assert cluster.read("ingest", HOME) == []
    assert len(cluster.read("dead-letters", HOME)) == 1
    lockstep("dlq", action, place, stdin="y\n")
    assert [letter["state"] for letter in listed()] == [{"replay": "replayed", "discard": "discarded"}[action]]


def test_many_are_replayed_in_their_order(cluster: Cluster) -> None:
    """In several rounds, up to the limit; what is left is done by the next run."""
    for offset in range(450):
        cluster.letter(offset)
    result = lockstep("dlq", "replay", "--partition", str(HOME), "--limit", "430", "--yes")
    assert "430 dead letters replayed; there are more than 430: run it again" in result.stderr
    assert [r.value for r in cluster.read("ingest", HOME)] == [b'{"n":%d}' % n for n in range(430)]
    lockstep("dlq", "replay", "--partition", str(HOME), "--yes")
    assert len(cluster.read("ingest", HOME)) == 450


def test_what_breaks_off_before_its_marker_is_open(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run does it again, and its record names the same place: the dedup lets one of them through."""
    place = cluster.letter(1)
    reader = DeadLetters(cluster.settings, load_file(cluster.settings.topology, handlers=False))
    monkeypatch.setattr(reader, "_mark", lambda *each: pytest.fail("killed here"))
    with pytest.raises(pytest.fail.Exception, match="killed here"):
        list(reader.act(reader.find(Wanted()), "replayed"))
    assert places("--open") == [place]
    lockstep("dlq", "replay", place, "--yes")
    first, second = cluster.read("ingest", HOME)
    assert first.headers == second.headers
    assert places("--open") == []


def test_a_marker_is_no_dead_letter_and_a_letter_no_marker(cluster: Cluster) -> None:
    """Whatever headers its producer gave it."""
    disguised = done(Done(Origin("", HOME, 1, "", "", b"topc").identity, "discarded"))
    cluster.letter(1)
    topic = f"{cluster.settings.topic_prefix}dead-letters"
    origin = Origin(f"{cluster.settings.topic_prefix}ingest", HOME, 2, "undecodable", "why", b"topc")
    publisher = Publisher(cluster.settings.kafka.servers)
    publisher.publish_sync(topic, ACCOUNT, b"x", dead_letter(origin, disguised), HOME)
    publisher.close()
    assert [letter["state"] for letter in listed()] == ["open", "open"]


def test_a_letter_of_more_than_a_megabyte_is_replayed(cluster: Cluster) -> None:
    """As its producer did it: compressed it is small. Others that are replayed with it are marked too."""
    value, first = b"x" * (3 << 19), cluster.letter(1)
    origin = Origin(f"{cluster.settings.topic_prefix}ingest", HOME, 2, "oversized", "why", b"topc")
    with closing(Publisher(cluster.settings.kafka.servers, **{"message.max.bytes": 2 << 20})) as publisher:
        topic = f"{cluster.settings.topic_prefix}dead-letters"
        large = publisher.publish_sync(topic, ACCOUNT, value, dead_letter(origin, HEADERS), HOME)
    lockstep("dlq", "replay", "--all", "--yes")
    assert [record.value for record in cluster.read("ingest", HOME)] == [b'{"n":1}', value]
    assert {each["state"] for each in listed()} == {"replayed"}
    assert places() == [first, ":".join(map(str, large))]


def test_a_letter_that_is_not_whole_stays_what_it_is(cluster: Cluster) -> None:
    """Show says where its value lies, replay that it cannot be; neighbours are replayed, and it can be discarded."""
    large, other = cluster.large(1), cluster.letter(2)
    lacking = f"{large} lacks 5000 bytes, too many for a dead letter: they lie in {cluster.settings.topic_prefix}ingest"
    shown = lockstep("dlq", "show", large)
    assert json.loads(shown.stdout)["headers"]["ce_id"] == "e-1"
    assert lacking in shown.stderr
    refused = invoke("dlq", "show", large, "--payload")
    assert (refused.exit_code, json.loads(refused.stdout)["value"]) == (1, None)
    for chosen, said in (
        ([large], "0 dead letters; nothing was done"),
        (["--all", "--limit", "1"], "1 dead letter replayed"),
    ):
        result = invoke("dlq", "replay", *chosen, "--yes")
        assert result.exit_code == 1
        assert f"cannot be replayed: {lacking}" in result.stderr
        assert said in result.stderr
    assert [record.value for record in cluster.read("ingest", HOME)] == [b'{"n":2}']
    assert places("--open") == [large]
    lockstep("dlq", "discard", large, "--yes")
    assert [(each["state"], each["left_out"]) for each in listed()] == [("discarded", 5_000), ("replayed", 0)]
    assert other in places()
