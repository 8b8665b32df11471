"""The topology: names expanded, bits and policies resolved, topics configured."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.policies import FROM_EVER, Policy, policies
from streams.targets import parse_version
from streams.topology import StageBinding, Topic, Topology, bind, changelog, milliseconds, size_bytes
from tests.unit.fakes import shipped_topology

TOPIC = {"retention": "7d", "compression": "producer", "max_message": "1MiB"}
STAGES = {
    "route": {"handler": "a.route", "reads": "ingest", "writes": ["events.{lane}"], "table": "seen"},
    "again": {"handler": "a.again", "reads": "ingest", "writes": [], "table": "seen"},
    "notify": {"handler": "a.notify", "reads": "events.{lane}", "writes": [], "table": "latest"},
    "push": {"handler": "s.push", "reads": "push.{platform}.{lane}", "writes": []},
}
CASE = {
    "lane": "low", "max_age": "1h", "ttl": "1d", "collapse": "none", "merge": "none", "devices": ["tv"],
}  # fmt: skip
SPEC: dict[str, Any] = {
    "version": 1, "epoch": 1, "partitions": 4, "replication": 3,
    "lanes": {"high": {"linger": "0ms"}, "low": {"linger": "5ms"}},
    "device_types": ["tv", "phone", "tablet"],
    "platforms": {"socket": {"sink": "s.socket"}, "apns": {"sink": "s.apns"}},
    "topics": {"ingest": {**TOPIC, "edge": "producers"}, "events.{lane}": TOPIC, "push.{platform}.{lane}": TOPIC},
    "tables": {"seen": {"window": "10m"}, "latest": {"window": "1m"}},
    "stages": STAGES,
    "workers": {
        "router": {"stages": ["route", "again"]},
        "all": {"stages": ["notify", "push"]},
        "one": {"stages": ["notify", "push"], "lanes": ["low"], "platforms": ["apns"]},
    },
    "use_cases": {
        "first": {**CASE, "types": {"a.b": {}, "a.c": {"lane": "high"}}},
        "second": {**CASE, "types": {"a.d": {}}, "collapse": "type", "devices": ["phone", "tv"],
                   "min_app_version": "1.2"},
    },
}  # fmt: skip


def made(**changes: Any) -> Topology:
    """The topology above, changed."""
    return msgspec.convert({**SPEC, **changes}, Topology)


@pytest.mark.parametrize(
    ("text", "number"), [("0ms", 0), ("5ms", 5), ("2s", 2_000), ("3m", 180_000), ("1h", 3_600_000), ("7d", 604_800_000)]
)
def test_durations_are_milliseconds(text: str, number: int) -> None:
    """Each unit."""
    assert milliseconds(text) == number


@pytest.mark.parametrize(("text", "number"), [("16B", 16), ("2KiB", 2_048), ("1MiB", 1_048_576)])
def test_sizes_are_bytes(text: str, number: int) -> None:
    """Each unit."""
    assert size_bytes(text) == number


@given(st.integers(0, 10**9), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    """Units do not change the number before them."""
    assert milliseconds(f"{number}{unit}") == number * milliseconds(f"1{unit}")


def test_a_lane_is_known_by_its_place() -> None:
    """The order in the file numbers lanes and device types."""
    topology = made()
    assert topology.lane_names() == ("high", "low")
    assert [topology.type_bit(name) for name in topology.device_types] == [1, 2, 4]


@given(st.lists(st.sampled_from(["tv", "phone", "tablet"])))
def test_a_mask_has_the_bit_of_each_type(names: list[str]) -> None:
    """Whether a type is named once or more often, and no other bit."""
    topology = made()
    mask = topology.mask(tuple(names))
    assert {name for name in topology.device_types if mask & topology.type_bit(name)} == set(names)
    assert mask < 8


def test_a_type_that_is_not_declared_has_no_bit() -> None:
    """The error is the documented one."""
    with pytest.raises(ValueError, match="not in tuple"):
        made().mask(("tv", "fridge"))


def test_braces_stand_for_each_lane_and_platform() -> None:
    """All of them, unless some are named; a plain name stands for itself."""
    topology = made()
    assert topology.expand("ingest", ("low",)) == ["ingest"]
    assert topology.expand("events.{lane}") == ["events.high", "events.low"]
    assert topology.expand("push.{platform}.{lane}", platforms=("apns",)) == ["push.apns.high", "push.apns.low"]
    assert len(topology.expand("push.{platform}.{lane}")) == 4
    assert bind("push.{platform}.{lane}", "low", "apns") == "push.apns.low"


def test_a_topic_is_made_for_the_platforms_that_it_names() -> None:
    """For all where it names none, for none where it is not in the file: a topology of sockets has no retries."""
    retries = {"push.{platform}.{lane}.retry": {**TOPIC, "platforms": ["apns"]}}
    topology = made(topics={**SPEC["topics"], **retries})
    assert topology.platforms_of("push.{platform}.{lane}.retry") == ("apns",)
    assert topology.platforms_of("push.{platform}.{lane}.retry", ("socket",)) == ()
    assert topology.platforms_of("push.{platform}.{lane}") == ("socket", "apns")
    assert made().platforms_of("push.{platform}.{lane}.retry") == ()


def test_a_worker_has_one_agent_for_each_topic() -> None:
    """Lanes and platforms of the worker, all where it names none."""
    topology = made()
    assert topology.bindings("one") == [
        StageBinding("notify", "a.notify", "events.low", "latest", 1, None),
        StageBinding("push", "s.push", "push.apns.low", None, 1, "apns"),
    ]
    assert [b.topic for b in topology.bindings("all")] == [
        "events.high", "events.low", "push.socket.high", "push.apns.high", "push.socket.low", "push.apns.low"
    ]  # fmt: skip
    assert topology.bindings("router")[0] == StageBinding("route", "a.route", "ingest", "seen", None, None)


def test_a_worker_keeps_each_table_once() -> None:
    """However many of its agents use it."""
    topology = made()
    assert topology.tables_of("router") == ("seen",)
    assert topology.tables_of("all") == ("latest",)


def test_every_topic_exists_with_its_changelogs() -> None:
    """Topics of all lanes and platforms, then one changelog for each worker's table; names are unique."""
    topics = list(made().all_topics())
    names = [topic.name for topic in topics]
    assert names[0] == "ingest"
    assert names[-3:] == [changelog("router", "seen"), "all-latest-changelog", "one-latest-changelog"]
    assert len(names) == len(set(names)) == 1 + 2 + 4 + 3
    assert {(topic.partitions, topic.replication) for topic in topics} == {(4, 3)}


def test_a_topic_is_configured_in_the_words_of_kafka() -> None:
    """Retention and size as numbers, time by the broker, and one replica that may be away."""
    ingest = next(made().all_topics())
    assert ingest == Topic("ingest", 4, 3, {
        "cleanup.policy": "delete",
        "retention.ms": "604800000",
        "compression.type": "producer",
        "max.message.bytes": "1048576",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2",
    })  # fmt: skip
    assert next(made(replication=1).all_topics()).config["min.insync.replicas"] == "1"


def test_a_changelog_outlives_every_record_that_may_need_it() -> None:
    """Rows stay for the window after the oldest record of the source; a segment is a quarter of it or a minute."""
    configs = {topic.name: topic.config for topic in made().all_topics()}
    seen, latest = configs["router-seen-changelog"], configs["all-latest-changelog"]
    assert (seen["cleanup.policy"], seen["segment.ms"]) == ("compact,delete", "150000")
    assert int(seen["retention.ms"]) == milliseconds("7d") + milliseconds("10m")
    assert (seen["delete.retention.ms"], seen["max.compaction.lag.ms"]) == ("60000", "600000")
    assert int(latest["retention.ms"]) == milliseconds("7d") + milliseconds("1m")
    assert (latest["segment.ms"], latest["max.compaction.lag.ms"]) == ("60000", "60000")


def test_a_policy_is_a_use_case_resolved() -> None:
    """Lane by number, times in milliseconds, device types as mask; a type may have a lane of its own."""
    found = policies(made())
    assert found == {
        "a.b": Policy("first", ((FROM_EVER, 1),), 3_600_000, 86_400_000, False, 1, 0),
        "a.c": Policy("first", ((FROM_EVER, 0),), 3_600_000, 86_400_000, False, 1, 0),
        "a.d": Policy("second", ((FROM_EVER, 1),), 3_600_000, 86_400_000, True, 3, parse_version("1.2")),
    }


CHANGE = {
    "is": "high", "from": "2027-03-01T00:00:00+01:00",
    "was": {"is": "low", "from": "2027-01-15T08:00:00.5Z", "was": "high"},
}  # fmt: skip


def test_a_lane_changes_for_records_appended_from_a_time_on() -> None:
    """The lane is a function of the append time in `ingest`: whoever routes a record again routes it as before."""
    use_cases = {"first": {**CASE, "types": {"a.b": {}, "a.c": {"lane": CHANGE}}, "lane": CHANGE["was"]}}
    found = policies(made(use_cases=use_cases))
    first, second = 1_800_000_000_500, 1_803_855_600_000
    assert [found["a.b"].lane_at(at) for at in (-1, 0, first - 1, first, second)] == [0, 0, 0, 1, 1]
    assert [found["a.c"].lane_at(at) for at in (0, first - 1, first, second - 1, second)] == [0, 0, 1, 1, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"epoch": 0},
        {"epoch": 1 << 14},
        {"partitions": 0},
        {"replication": 0},
        {"bogus": 1},
        {"device_types": []},
        {"device_types": [f"t{n}" for n in range(17)]},
        {"lanes": {"High": {"linger": "0ms"}}},
        {"lanes": {"high": {"linger": "5"}}},
        {"lanes": {"high": {"linger": "5ms", "bogus": 1}}},
        {"topics": {"a_b": TOPIC}},
        {"topics": {"a.{bogus}": TOPIC}},
        {"topics": {"ingest": {**TOPIC, "max_message": "1MB"}}},
        {"topics": {"ingest": {"compression": "producer", "max_message": "1MiB"}}},
        {"stages": {"route": {**STAGES["route"], "handler": "nodot"}}},
        {"use_cases": {"first": {**CASE, "types": {}, "min_app_version": "1.2.3.4"}}},
    ],
)
def test_what_is_not_in_the_schema_is_refused(changes: dict[str, Any]) -> None:
    """Unknown keys, wrong names, units and numbers do not become a topology."""
    with pytest.raises(msgspec.ValidationError):
        made(**changes)


def test_the_longest_retention_is_that_of_any_topic() -> None:
    """In seconds: an event is in topics no longer than that."""
    assert shipped_topology().longest_retention() == 14 * 86_400
