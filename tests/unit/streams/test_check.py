"""Every mistake in topics.yaml is refused, with its line and, where a name is near, the name that was meant."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streams.check import DEFAULT, TopologyError, load, load_file, schema
from streams.document import read
from streams.limits import Limits
from streams.settings import Kafka, Settings
from streams.topology import Topology

ROOT = Path(__file__).parents[3]
SHIPPED = (ROOT / DEFAULT).read_text()

# what is written instead of what, and the problem that must be among those found
MISTAKES = {
    "top-level-key": ("partitions: 8", "partitions: 8\npartitons: 9", "partitons: no setting 'partitons'"),
    "missing-key": ("epoch: 1\n", "", "topics.yaml:2: 'epoch' is missing"),
    "wrong-type": ("epoch: 1", "epoch: one", "epoch: expected int, got str"),
    "too-small": ("partitions: 8", "partitions: 0", "partitions: expected int >= 1"),
    "other-version": ("version: 1", "version: 2", "version: 2 is none of 1"),
    "duplicate-key": ("epoch: 1", "epoch: 1\nepoch: 2", "epoch: named twice, first in line 5"),
    "duplicate-lane": ("  high: {linger: 0ms}", "  critical: {linger: 0ms}", "lanes.critical: named twice, first"),
    "number-as-key": ("  socket: {sink", "  9: {sink", "platforms.9: a key must be text; put it in quotes"),
    "duration": ("linger: 20ms", "linger: 5 ms", "linger: '5 ms' is not a number and ms, s, m, h or d"),
    "choice": ("collapse: none", "collapse: typ", "viewing-activity.collapse: 'typ' is none of 'type', 'none'"),
    "use-case-key": ("max_age: 1h", "max_ages: 1h", "max_ages: no setting 'max_ages' (did you mean 'max_age'?)"),
    "version-as-number": ('"1.2"', "1.2", "use_cases.diagnostics.min_app_version: expected str, got float"),
    "version-too-large": ('"1.2"', '"1.20000"', "min_app_version: number too large in version '1.20000'"),
    "lane": ("lane: normal", "lane: norml", "viewing-activity.lane: no lane 'norml' (did you mean 'normal'?)"),
    "lane-of-type": ("{lane: critical}", "{lane: kritical}", "lane: no lane 'kritical' (did you mean 'critical'?)"),
    "lane-of-worker": ("lanes: [low]", "lanes: [lo]", "workers.low.lanes[0]: no lane 'lo' (did you mean 'low'?)"),
    "device-type": ("[tv, stick]", "[tv, stik]", "devices[1]: no device type 'stik' (did you mean 'stick'?)"),
    "device-twice": ("[tv, stick]", "[tv, tv]", "use_cases.diagnostics.devices[1]: 'tv' is named twice"),
    "no-devices": ("[tv, stick]", "[]", "use_cases.diagnostics.devices: no device types"),
    "stage": ("stages: [route]", "stages: [rout]", "workers.router.stages[0]: no stage 'rout' (did you mean 'route'?)"),
    "no-stages": ("stages: [route]", "stages: []", "workers.router.stages: no stages"),
    "platform": ("platforms: [socket]}", "platforms: [soket]}", "no platform 'soket' (did you mean 'socket'?)"),
    "topic-read": ("reads: ingest", "reads: ingst", "stages.route.reads: no topic 'ingst' (did you mean 'ingest'?)"),
    "topic-written": ("outcomes, dead-letters]", "outcome, dead-letters]", "writes[1]: no topic 'outcome' (did"),
    "table": ("table: latest", "table: lates", "stages.notify.table: no table 'lates' (did you mean 'latest'?)"),
    "table-shared": ("table: latest", "table: seen", "stages.notify.table: 'seen' is the table of stage 'route'"),
    "table-unused": ("    table: latest\n", "", "tables.latest: no stage has this table"),
    "topic-case": ('"events.{lane}": {', '"Events.{lane}": {', "'Events.{lane}' is not lower case words"),
    "topic-underscore": ("  dead-letters: {", "  dead_letters: {", "'dead_letters' is not lower case words"),
    "placeholder": ('"events.{lane}": {', '"events.{line}": {', "'events.{line}' is not lower case words"),
    "not-read": ("max_message: 2MiB, edge: readers", "max_message: 2MiB", "topics.dead-letters: no stage reads it"),
    "not-written": ("max_message: 1MiB, edge: producers", "max_message: 1MiB", "topics.ingest: no stage writes it"),
    "topic-twice": ("  outcomes: {", "  events.low: {retention: 1d, compression: lz4, max_message: 1B}\n  outcomes: {",
                    "topics.events.low: makes the topic 'events.low', as 'events.{lane}' does"),
    "lane-without-worker": ("lanes: [low]", "lanes: [normal]", "lanes.low: no worker runs stage 'notify' on 'events"),
    "stage-without-worker": ("[notify, store, push], lanes: [high]", "[notify, store], lanes: [high]",
                             "platforms.socket: no worker runs stage 'push' on 'push.socket.high'"),
    "two-workers": ("lanes: [low]", "lanes: [low, high]", "'notify' reads 'events.high' in worker 'high' already"),
    "scope": ("{stages: [route], linger: 20ms}", "{stages: [route], lanes: [low]}",
              "workers.router.lanes: none of its stages reads"),
    "two-stages-one-topic": ("reads: \"notifications.{lane}\"", "reads: \"events.{lane}\"",
                             "'events.low' is read by stage 'notify' of this worker too"),
    "event-type-twice": ("{member.list.changed: {}}", "{member.plan.changed: {}}",
                         "types.member.plan.changed: an event type has one use case; 'plan-change' has it already"),
    "no-event-types": ("{member.list.changed: {}}", "{}", "use_cases.my-list.types: no event types"),
    "merge-without-window": ("normal: {linger: 20ms, window: 200ms}", "normal: {linger: 20ms}",
                             "use_cases.my-list.merge: lane 'normal' has no window to merge in"),
    "merge-in-lane-of-type": ("{member.home.refreshed: {}}", "{member.home.refreshed: {lane: high}}",
                              "use_cases.personalised-refresh.merge: lane 'high' has no window to merge in"),
    "union-without-field": ("    merge_field: titles\n", "", "use_cases.my-list.merge: union needs `merge_field`"),
    "field-without-union": ("merge: union", "merge: latest", "my-list.merge_field: only union folds a field, and"),
    "union-with-collapse": ("collapse: none\n    merge: union", "collapse: type\n    merge: union",
                            "use_cases.my-list.collapse: a newer event would supersede changes that it does not hold"),
    "deltas": ("merge: union", "merge: union\n    counters: deltas", "use_cases.my-list.counters: deltas are not safe"),
    "window-long": ("window: 1s", "window: 11s", "lanes.low.window: 11s is more than 10s"),
    "window-unit": ("window: 1s", "window: 1", "lanes.low.window: expected str, got int"),
    "change-to-lane": ("lane: high", 'lane: {is: hihg, from: "2026-12-01T00:00:00Z", was: normal}',
                       "use_cases.plan-change.lane.is: no lane 'hihg' (did you mean 'high'?)"),
    "change-from-lane": ("lane: high", 'lane: {is: high, from: "2026-12-01T00:00:00Z", was: norml}',
                         "use_cases.plan-change.lane.was: no lane 'norml' (did you mean 'normal'?)"),
    "change-without-past": ("lane: high", 'lane: {is: high, from: "2026-12-01T00:00:00Z"}',
                            "use_cases.plan-change.lane: 'was' is missing"),
    "change-key": ("lane: high", 'lane: {is: high, form: "2026-12-01T00:00:00Z", was: normal}',
                   "use_cases.plan-change.lane.form: no setting 'form' (did you mean 'from'?)"),
    "change-format": ("lane: high", "lane: {is: high, from: tomorrow, was: normal}",
                      "lane.from: 'tomorrow' is not a time of RFC 3339 such as 2026-12-01T00:00:00Z"),
    "change-no-day": ("lane: high", 'lane: {is: high, from: "2026-02-30T00:00:00Z", was: normal}',
                      "use_cases.plan-change.lane.from: '2026-02-30T00:00:00Z' is no time"),
    "change-order": ("lane: high", 'lane: {is: high, from: "2026-12-01T00:00:00Z", was: '
                     '{is: normal, from: "2026-12-01T01:00:00+01:00", was: low}}',
                     "use_cases.plan-change.lane.from: 2026-12-01T00:00:00Z is not later than the change before it"),
    "change-merge": ("lane: low\n    max_age: 6h",
                     'lane: {is: low, from: "2026-12-01T00:00:00Z", was: high}\n    max_age: 6h',
                     "use_cases.personalised-refresh.merge: lane 'high' has no window to merge in"),
    "lingers": ("linger: 100ms", "linger: 2s", "lanes.low.linger: 2s is more than 1s: an event waits for it at every"),
    "worker-lingers": ("[route], linger: 20ms", "[route], linger: 2s", "workers.router.linger: 2s is more than 1s: an"),
    "no-life": ("max_age: 15m", "max_age: 0m", "use_cases.diagnostics.max_age: everything would be too old"),
    "ttl-short": ("ttl: 1h", "ttl: 1m", "use_cases.diagnostics.ttl: 1m is less than max_age, 15m"),
    "ttl-long": ("ttl: 2d", "ttl: 8d", "use_cases.personalised-refresh.ttl: 8d is more than the inbox keeps, 7d"),
    "no-lanes": ("""  critical: {linger: 0ms}
  high: {linger: 0ms}
  normal: {linger: 20ms, window: 200ms}
  low: {linger: 100ms, window: 1s}
""", "  {}\n", "lanes: no lanes"),
    "item-of-list": ("device_types: [tv, stick, phone, tablet, browser]", "device_types: [TV]",
                     "[0]: 'TV' is not lower case"),
    "platform-of-topic": ("platforms: [webhook,", "platforms: [webhok,", "platforms[0]: no platform 'webhok' (did"),
    "platform-of-no-topic": ("edge: producers}", "edge: producers, platforms: [socket]}",
                             "topics.ingest.platforms: its name has no {platform}"),
    "retry-without-worker": ("{stages: [push, retry], platforms: [webhook]}", "{stages: [push], platforms: [webhook]}",
                             "platforms.webhook: no worker runs stage 'retry' on 'push.webhook.high.retry'"),
    "schemas": ("schemas: schemas", 'schemas: ""', "schemas: '' is not a directory, from that of topics.yaml on"),
    "two-replicas": ("replication: 1", "replication: 2", "replication: with 2 replicas an acknowledged record may be"),
}  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_refused_with_its_line(right: str, wrong: str, message: str) -> None:
    """The problem is found, and its line is the one of the mistake, or the one that lacks something."""
    assert right in SHIPPED
    text = SHIPPED.replace(right, wrong, 1)
    with pytest.raises(TopologyError) as caught:
        load(text, "topics.yaml", handlers=False)
    lines = str(caught.value).splitlines()
    found = [problem for problem, line in zip(caught.value.problems, lines, strict=True) if message in line]
    assert found, lines
    keys = [part for part in found[0].path if isinstance(part, str)]
    assert not keys or keys[-1] in text.splitlines()[found[0].line - 1]
    assert f"topics.yaml:{found[0].line}: " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "topics.yaml:1: the file is empty"),
        ("a: 1\nb: [", "topics.yaml:2: not YAML"),
        ("a: 1\n---\nb: 2", "topics.yaml:2: not YAML: but found another document"),
        ("a: 1\nb: \x01", "topics.yaml:2: not YAML: special characters are not allowed"),
        ("- 1", "topics.yaml:1: expected object, got array"),
        ("version: &loop [*loop]", "topics.yaml:1: version[0]: a value that holds itself"),
        ("epoch: !!int many", "topics.yaml:1: epoch: cannot read 'many'"),
        ("? [a, b]\n: 1", "topics.yaml:1: a key must be text, not a list or mapping"),
    ],
)
def test_text_that_is_no_topology(text: str, message: str) -> None:
    """A text that is not even YAML of the right kind is one clear problem."""
    with pytest.raises(TopologyError) as caught:
        load(text, "topics.yaml")
    assert message in str(caught.value)


def test_all_problems_at_once_in_the_order_of_lines() -> None:
    """Mistakes of different kinds are reported together, by line."""
    text = SHIPPED.replace("lane: normal", "lane: norml", 1).replace("replication: 1", "replication: 2")
    with pytest.raises(TopologyError) as caught:
        load(text, "topics.yaml", handlers=False)
    lines = [problem.line for problem in caught.value.problems]
    assert len(lines) == 2
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("streams.nothing.stage", "no handler 'streams.nothing.stage': cannot import streams.nothing"),
        ("streams.check.laod", "no handler 'streams.check.laod' (did you mean 'streams.check.load'?)"),
        ("streams.check.resources", "handler 'streams.check.resources' cannot be called"),
    ],
)
def test_handler_must_import_and_be_callable(handler: str, message: str) -> None:
    """A dotted path that leads nowhere is found when the file is read, not when the worker runs."""
    text = SHIPPED.replace("agents.route.stage", handler)
    with pytest.raises(TopologyError, match="handler") as caught:
        load(text, "topics.yaml")
    line = text[: text.index(handler)].count("\n") + 1
    assert f"topics.yaml:{line}: stages.route.handler: {message}" in str(caught.value)


def test_sink_must_import_and_be_callable() -> None:
    """A platform's sink is checked as a stage's handler is."""
    text = SHIPPED.replace("sinks.socket.sink", "streams.check.nothing")
    with pytest.raises(TopologyError, match=r"platforms.socket.sink: no sink 'streams.check.nothing'"):
        load(text, "topics.yaml")


def test_window_covers_the_redelivery_horizon() -> None:
    """A table that forgets an event before its producer stops to repeat it is refused."""
    settings = Settings(limits=Limits(redelivery_horizon=601.0))
    with pytest.raises(TopologyError, match=r"tables.seen.window: 10m is less than the redelivery horizon, 601s"):
        load(SHIPPED, "topics.yaml", settings, handlers=False)
    assert load(SHIPPED, "topics.yaml", Settings(), handlers=False).tables["seen"].window == "10m"


@pytest.mark.parametrize(
    ("event_bytes", "refused"),
    [
        (200_000, []),
        (300_000, ["push.{platform}.{lane}"]),
        (1_000_000, ["notifications.{lane}", "push.{platform}.{lane}", "push.{platform}.{lane}.retry"]),
        (
            1 << 20,
            [
                "ingest",
                "events.{lane}",
                "notifications.{lane}",
                "push.{platform}.{lane}",
                "push.{platform}.{lane}.retry",
            ],
        ),
    ],
)
def test_topics_take_what_comes_of_the_longest_event(event_bytes: int, refused: list[str]) -> None:
    """A record that its topic refuses would end a worker for good; a setting admits no event that makes one."""
    settings = Settings(limits=Limits(event_bytes=event_bytes))
    try:
        load(SHIPPED, "topics.yaml", settings, handlers=False)
        problems = []
    except TopologyError as error:
        problems = error.problems
    assert [problem.path for problem in problems] == [("topics", name, "max_message") for name in refused]
    for problem in problems:
        assert re.fullmatch(
            rf"1MiB is less than a record may have, \d+ bytes: events have up to {event_bytes} "
            r"\(LOCKSTEP_LIMITS__EVENT_BYTES\)",
            problem.message,
        )


def test_producers_take_what_comes_of_the_longest_event() -> None:
    """They have a limit of their own; and a topic that takes more than shipped is enough."""
    larger = SHIPPED.replace("1MiB", "2MiB")
    load(larger, "topics.yaml", Settings(limits=Limits(event_bytes=1 << 20)), handlers=False)
    settings = Settings(kafka=Kafka(max_message_bytes=800_000))
    said = r"topics.push.*max_message: LOCKSTEP_KAFKA__MAX_MESSAGE_BYTES, 800000, is less than a record may have"
    with pytest.raises(TopologyError, match=said) as caught:
        load(larger, "topics.yaml", settings, handlers=False)
    assert len(caught.value.problems) == 1


def test_topic_name_too_long_for_kafka() -> None:
    """Kafka takes names of at most 249 characters, lane and platform included."""
    with pytest.raises(TopologyError, match="makes a topic name longer than 249 characters"):
        load(SHIPPED.replace("push.{platform}", "p" * 240 + ".{platform}"), "topics.yaml", handlers=False)


def test_value_that_is_not_there_has_the_line_of_what_holds_it() -> None:
    """A problem about something missing points at the nearest value around it."""
    assert read("a:\n  b: {c: 1}").line(("a", "b", "d", 0)) == 2


def test_aliases_and_omitted_lanes_are_allowed() -> None:
    """YAML's anchors may be used, and a worker without lanes runs its stages for all of them."""
    head, _, tail = SHIPPED.partition("workers:\n")
    text = head + "workers:\n  all: {stages: [route, notify, store, push, retry]}\n" + tail[tail.index("\n# Two") :]
    text = text.replace("devices: [tv, stick, phone, tablet, browser]", "devices: &every [tv, phone]", 1)
    text = text.replace("devices: [tv, stick, phone, tablet, browser]", "devices: *every")
    topology = load(text, "topics.yaml", handlers=False)
    pushed = len(topology.expand("push.{platform}.{lane}")) + len(topology.expand("push.{platform}.{lane}.retry"))
    assert len(topology.bindings("all")) == 1 + 4 + 4 + pushed
    assert topology.use_cases["my-list"].devices == ("tv", "phone")


def test_file_is_read_and_named_in_errors(tmp_path: Path) -> None:
    """A file is read from where it is; one that is not there, no file or no text is one clear problem."""
    path = tmp_path / "mine.yaml"
    path.write_text(SHIPPED)
    assert isinstance(load_file(str(path), handlers=False), Topology)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(TopologyError, match=r"mine\.yaml: cannot read it: not UTF-8"):
        load_file(str(path))
    with pytest.raises(TopologyError, match=r"none\.yaml: cannot read it: No such file or directory"):
        load_file(str(tmp_path / "none.yaml"))
    with pytest.raises(TopologyError, match="cannot read it: Is a directory"):
        load_file(str(tmp_path))


def test_packaged_copy_stands_in_for_the_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no topics.yaml lies in the working directory, the one in the package is used, if there is one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streams.check.resources.files", lambda package: tmp_path / package)
    with pytest.raises(TopologyError, match=r"topics\.yaml: cannot read it: No such file"):
        load_file(DEFAULT, handlers=False)
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / DEFAULT).write_text(SHIPPED)
    assert load_file(DEFAULT, handlers=False).partitions == 8


def test_published_schema_is_the_schema_of_the_code() -> None:
    """docs/topics.schema.json was written by this release: `make reference` writes it."""
    assert json.loads((ROOT / "docs" / "topics.schema.json").read_text()) == schema()


def test_schema_refuses_unknown_keys_everywhere() -> None:
    """A misspelt `additionalProperties` would switch the check off without a sound."""
    objects = [part for part in schema()["$defs"].values() if part["type"] == "object"]
    assert len(objects) == 10
    for part in objects:
        assert part["additionalProperties"] is False
        assert part["title"]
