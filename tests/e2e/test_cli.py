"""The installed command `lockstep` against a running system: what it prints, and how it says no."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from streams.cloudevents import decode
from streams.transport.client import RawRecord, read_partition
from tests.e2e.events import home_of
from tests.e2e.household import Household, until
from tests.e2e.system import System

LOCKSTEP = Path(sys.executable).with_name("lockstep")
ROOT = Path(__file__).parents[2]
MY_LIST = "member.list.changed"
Done = subprocess.CompletedProcess[str]


def run(system: System, *arguments: str, stdin: str = "", **environment: str) -> Done:
    """Run the installed command to its end."""
    env = {**os.environ, **system.pipeline.environment, **environment}
    return subprocess.run(
        [str(LOCKSTEP), *arguments], env=env, input=stdin, capture_output=True, text=True, check=False, timeout=60
    )


def good(system: System, *arguments: str, stdin: str = "", **environment: str) -> list[str]:
    """The lines that a command prints; it ends well and has nothing to remark."""
    done = run(system, *arguments, stdin=stdin, **environment)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines()


def bad(system: System, *arguments: str, stdin: str = "", **environment: str) -> str:
    """The one line of a command that fails."""
    done = run(system, *arguments, stdin=stdin, **environment)
    assert done.returncode == 1, done
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def record(system: System, line: str) -> RawRecord:
    """The record that a line of `send` names."""
    place = json.loads(line)
    return next(read_partition(system.kafka, system.topic("ingest"), place["partition"], place["offset"]))


@pytest.fixture
def account() -> str:
    """One that no other test has."""
    return f"cli-{uuid.uuid4().hex[:8]}"


def test_send_takes_every_attribute(running: System, account: str) -> None:
    """Every option becomes an attribute of the CloudEvent, in both modes."""
    options = [
        "--account", account, "--type", MY_LIST, "--data", '{"n": 1}', "--source", "/cli", "--id", "e1",
        "--time", "2026-11-25T14:05:00Z", "--expires", "2026-12-25T14:05:00Z", "--collapse", "k", "--version", "7",
        "--to-types", "tv,phone", "--to-devices", "a,b", "--origin", "c", "--traceparent", "00-1-2-01",
    ]  # fmt: skip
    events = []
    for mode in ([], ["--binary"]):
        (line,) = good(running, "send", *options, *mode)
        sent = json.loads(line)
        assert (sent["id"], sent["account"], sent["partition"]) == ("e1", account, home_of(account))
        found = record(running, line)
        names = {name for name, _ in found.headers}
        assert ("ce_id" in names) == bool(mode)
        events.append(decode(found.key, found.value, found.headers))
    assert events[0] == events[1]
    one = events[0]
    assert (one.source, one.id, one.type, one.payload, one.collapse_key) == ("/cli", "e1", MY_LIST, b'{"n":1}', "k")
    assert (one.revision, one.device_types, one.device_ids) == (7, ("tv", "phone"), ("a", "b"))
    assert (one.origin, one.trace, one.time, one.expires) == ("c", "00-1-2-01", 1_795_615_500_000, 1_798_207_500_000)


async def test_send_a_file_and_a_television_gets_it(running: System) -> None:
    """Each line is an event; text and binary payloads too; both modes arrive, in order."""
    async with Household(running) as home:
        tv = await home.on("tv")
        common = {"subject": home.account, "type": MY_LIST}
        given: list[dict[str, Any]] = [
            {**common, "id": "json", "data": {"n": [1, None, "ä"]}},
            {**common, "id": "text", "datacontenttype": "text/plain", "data": "plain ä"},
            {**common, "id": "bytes", "datacontenttype": "application/octet-stream", "data_base64": "AP8Q"},
            {**common, "id": "empty"},
        ]
        file = "".join(json.dumps(each) + "\n\n" for each in given)
        structured = await asyncio.to_thread(good, running, "send", "--file", "-", stdin=file)
        renamed = file.replace('"id": "', '"id": "b-')
        binary = await asyncio.to_thread(good, running, "send", "--file", "-", "--binary", stdin=renamed)
        ids = [each["id"] for each in given]
        assert [json.loads(line)["id"] for line in structured + binary] == ids + [f"b-{id_}" for id_ in ids]
        await tv.shows(*ids, *(f"b-{id_}" for id_ in ids))
        shown = [(item.get("data"), item.get("data_base64"), item["datacontenttype"]) for item in tv.items]
        assert shown[:4] == [
            ({"n": [1, None, "ä"]}, None, "application/json"),
            (None, "cGxhaW4gw6Q=", "text/plain"),
            (None, "AP8Q", "application/octet-stream"),
            (None, None, ""),
        ]
        assert shown[4:] == shown[:4]


def test_listen_ends_after_so_many(running: System, account: str, tmp_path: Path) -> None:
    """It prints frames as JSON lines and, after the number asked for, ends well."""
    device = ["tv", "--account", account, "--state", str(tmp_path / "state")]
    good(running, "pull", *device)
    events = "".join(json.dumps({"subject": account, "type": MY_LIST, "id": f"e{n}"}) + "\n" for n in range(3))
    good(running, "send", "--file", "-", stdin=events)
    frames = [json.loads(line) for line in good(running, "listen", *device, "--count", "3")]
    items = [frame["item"] for frame in frames if frame["type"] == "notification"]
    assert [item["events"] for item in items] == [["e0"], ["e1"], ["e2"]]
    assert frames[0]["type"] == "welcome"


def test_pull_by_pages_from_where_it_stopped(running: System, account: str, tmp_path: Path) -> None:
    """Small pages show everything once; the state file keeps the place, and belongs to one device."""
    device = ["phone", "--account", account, "--type", "phone", "--state", str(tmp_path / "state"), "--limit", "2"]
    assert good(running, "pull", *device) == []
    events = "".join(json.dumps({"subject": account, "type": MY_LIST, "id": f"e{n}"}) + "\n" for n in range(5))
    lines = good(running, "send", "--file", "-", stdin=events)
    wait_for_outcome(running, place_of(lines[-1]))
    got = [json.loads(line)["events"][0] for line in good(running, "pull", *device)]
    assert got == [f"e{n}" for n in range(5)]
    assert good(running, "pull", *device) == []
    without_state = good(running, "pull", *device[:5])
    assert [json.loads(line)["events"][0] for line in without_state] == got
    other = ["tablet", "--account", account, "--type", "tablet", "--state", str(tmp_path / "state")]
    assert bad(running, "pull", *other) == f"Error: {tmp_path}/state: the cursor of device 'phone'"


def place_of(line: str) -> str:
    """PARTITION:OFFSET of a line of `send`."""
    place = json.loads(line)
    return f"{place['partition']}:{place['offset']}"


def traced(system: System, *arguments: str) -> dict[str, Any]:
    """The one trace that a command prints as JSON."""
    (line,) = good(system, "trace", *arguments, "--json")
    trace: dict[str, Any] = json.loads(line)
    return trace


def wait_for_outcome(system: System, place: str) -> dict[str, Any]:
    """The trace once the event has been stored, or has ended."""
    found: list[dict[str, Any]] = []

    async def has_outcome() -> bool:
        found[:] = [traced(system, place)]
        return not re.match("in ingest|on its way", found[0]["verdict"])

    asyncio.run(until(has_outcome, lambda: found))
    return found[0]


def test_trace_by_place_id_and_notification(running: System, account: str) -> None:
    """The three ways to name an event lead to the same trace, which tells of stages and devices."""
    good(running, "pull", "tv", "--account", account)
    (line,) = good(running, "send", "--account", account, "--type", "member.plan.changed", "--id", "plan-7")
    wait_for_outcome(running, place_of(line))
    (item,) = map(json.loads, good(running, "pull", "tv", "--account", account, "--no-ack"))
    by_place = traced(running, place_of(line))
    assert (by_place["lane"], by_place["notification"], by_place["event"]["id"]) == ("high", item["id"], "plan-7")
    said = [(step["stage"], step["what"]) for step in by_place["steps"]]
    assert said == [("route", "forwarded"), ("notify", "forwarded"), ("store", "stored")]
    assert all(step["ms"] >= 0 for step in by_place["steps"])
    assert [fate["device"] for fate in by_place["devices"]] == ["tv"]
    for other in (["--id", "plan-7", "--account", account], [item["id"]], [item["id"].upper()]):
        again = traced(running, *other)
        assert {**again, "devices": [], "verdict": ""} == {**by_place, "devices": [], "verdict": ""}
    text = good(running, "trace", place_of(line))
    assert text[0] == f"member.plan.changed  id plan-7  source /lockstep/send  account {account}"
    assert text[2].startswith(f"  ingest {place_of(line)}, lane high, readable until ")
    assert text[3] == f"  notification {item['id']}"


@pytest.mark.parametrize(
    ("options", "verdict", "detail"),
    [
        (["--type", "member.haircut"], "dead-lettered", "unknown-type: no use case has the type 'member.haircut'"),
        (["--type", MY_LIST, "--time", "2026-01-01T00:00:00Z"], "stale", "route: age "),
        (["--type", MY_LIST, "--to-devices", "nobody"], "no-target", "no registered device is meant"),
    ],
)
def test_trace_of_an_event_that_ended_early(
    running: System, account: str, options: list[str], verdict: str, detail: str
) -> None:
    """The verdict says why."""
    (line,) = good(running, "send", "--account", account, *options)
    trace = wait_for_outcome(running, place_of(line))
    assert trace["verdict"].startswith(f"{verdict} ({detail}")
    assert trace["devices"] == []


def test_trace_of_one_id_that_came_twice(running: System, account: str) -> None:
    """Both records are told of; the second one names the first."""
    event = ["--account", account, "--type", MY_LIST, "--id", "twice", "--data", "1"]
    (first,), (second,) = good(running, "send", *event), good(running, "send", *event)
    wait_for_outcome(running, place_of(second))
    both = [json.loads(line) for line in good(running, "trace", "--id", "twice", "--account", account, "--json")]
    assert [f"{trace['partition']}:{trace['offset']}" for trace in both] == [place_of(first), place_of(second)]
    assert both[1]["verdict"] == f"duplicate (of {place_of(first)})"
    done = run(running, "trace", "--id", "twice", "--account", account)
    assert done.stderr == "2 records of ingest have this id\n"


def test_topics_are_as_planned(running: System) -> None:
    """After `apply` there is nothing to do, for `plan` and for another `apply`."""
    assert good(running, "topics", "plan") == ["nothing to do"]
    assert good(running, "topics", "apply") == ["nothing to do"]
    assert good(running, "schema", "apply") == []


def test_check_of_the_shipped_file(running: System) -> None:
    """It says what the file holds."""
    (line,) = good(running, "check", str(ROOT / "topics.yaml"))
    assert line.endswith("topics.yaml: 4 lanes, 9 workers, 6 use cases, 52 topics of 8 partitions, 7 schemas")
    assert "$schema" in json.loads("\n".join(good(running, "check", "--schema")))


BROKEN: list[tuple[str, str, str]] = [
    ("    lane: normal\n", "    lane: norml\n", "norml"),
    ("    handler: agents.route.stage\n", "    handler: agents.rout.stage\n", "agents.rout"),
    ("router: {stages: [route],", "router: {stages: [rout],", "rout"),
]


@pytest.mark.parametrize(("old", "new", "names"), BROKEN)
def test_check_of_a_broken_file(running: System, tmp_path: Path, old: str, new: str, names: str) -> None:
    """A mistake is a line with file and line number, and no worker runs with such a file."""
    text = (ROOT / "topics.yaml").read_text()
    assert old in text
    path = tmp_path / "topics.yaml"
    path.write_text(text.replace(old, new, 1))
    number = text[: text.index(old)].count("\n") + 1
    line = bad(running, "check", str(path))
    found = re.match(rf"Error: {re.escape(str(path))}:(\d+): ", line)
    assert found, line
    assert int(found[1]) == number, line
    assert names in line
    assert names in bad(running, "run", "router", LOCKSTEP_TOPOLOGY=str(path))


TOO_LARGE = json.dumps({"subject": "a", "type": MY_LIST, "data": "x" * 1_100_000})


def wrong(*arguments: str, says: str, stdin: str = "", **environment: str) -> Any:
    """A command that must fail, what it is given, and what its line must hold."""
    return pytest.param(arguments, stdin, environment, says, id=" ".join(arguments)[:50] + "".join(environment))


@pytest.mark.parametrize(
    ("arguments", "stdin", "environment", "says"),
    [
        wrong("check", "nowhere.yaml", says="nowhere.yaml"),
        wrong("send", "--file", "nowhere.jsonl", says="nowhere.jsonl: No such file or directory"),
        wrong("send", "--file", "-", stdin=TOO_LARGE, says="Message size too large"),
        wrong("trace", "99:1", says="99:1: partition 99; there are 8"),
        wrong("trace", "0:999999999", says="nothing at "),
        wrong("trace", "0" * 32, says="of epoch 0; topics.yaml has epoch 1"),
        wrong("trace", "--id", "no-such", "--account", "nobody", says="no event 'no-such' of account 'nobody' in "),
        wrong("token", "a/b", "--account", "a", "--type", "tv", says="not a device id"),
        wrong("pull", "tv", "--account", "a", "--type", "toaster", says="400 urn:lockstep:problem:unknown-device-type"),
        wrong("pull", "tv", "--account", "a", "--url", "http://127.0.0.1:1", says="127.0.0.1:1"),
        wrong("schema", "apply", LOCKSTEP_CASSANDRA__PORT="1", says="127.0.0.1"),
        wrong("check", LOCKSTEP_EDGE__PORT="many", says="LOCKSTEP_EDGE__PORT: "),
        wrong("edge", LOCKSTEP_TOKENS__KEYS="/nowhere.jwks", says="/nowhere.jwks"),
    ],
)
def test_what_fails_is_one_line(
    running: System, arguments: tuple[str, ...], stdin: str, environment: dict[str, str], says: str
) -> None:
    """On standard error, with exit status 1; it names what is wrong."""
    line = bad(running, *arguments, stdin=stdin, **environment)
    assert line.startswith("Error: ")
    assert says in line


def test_send_says_what_came_before_a_bad_line(running: System, account: str) -> None:
    """What was sent is printed, in the order of the file, and stays sent."""
    lines = [json.dumps({"subject": account, "type": MY_LIST, "id": f"e{n}"}) for n in range(3)]
    done = run(running, "send", "--file", "-", stdin="\n".join([*lines, "nonsense", lines[0]]))
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["e0", "e1", "e2"]
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("Error: <stdin>:4: not a JSON object: ")
