"""The command line as its users run it: devices that listen and pull, and the trace of what they got."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local.pipeline import Member, ProcessFailed
from tests.e2e.system import System

DEADLINE = 60.0


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def frames(listener: Member, type_: str) -> list[dict[str, Any]]:
    """The frames of a type that a listener has printed."""
    lines = [line for line in listener.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
    return [frame for frame in map(json.loads, lines) if frame["type"] == type_]


def data(listener: Member) -> list[Any]:
    """The payloads that a listener has got, in order."""
    return [frame["item"]["data"] for frame in frames(listener, "notification")]


def listen(system: System, account: str, *options: str) -> Member:
    """A television that is on, and synced."""
    listener = system.pipeline.start("listen", "listen", "tv", "--account", account, "--type", "tv", *options)
    until(lambda: bool(frames(listener, "sync_end")) or not listener.alive, "no sync_end")
    return listener


def started(system: System, account: str, *options: str) -> Member:
    """A television that has had event 0: before the first of an account and lane there is no head to push upon."""
    listener = listen(system, account, *options)
    send(system, account, 0)
    until(lambda: data(listener) == [{"n": 0}], "the television got nothing")
    return listener


def pull(system: System, account: str, state: Path) -> list[Any]:
    """The payloads that a phone gets when it asks."""
    output = system.pipeline.command("pull", "phone", "--account", account, "--type", "phone", "--state", str(state))
    return [json.loads(line)["data"] for line in output.splitlines()]


def send(system: System, account: str, number: int) -> str:
    """Publish an event; the place that `send` prints, as `trace` takes it."""
    output = system.pipeline.command(
        "send", "--account", account, "--type", "member.list.changed", "--data", json.dumps({"n": number})
    )
    place = json.loads(output)
    return f"{place['partition']}:{place['offset']}"


def fates(system: System, place: str) -> dict[str, str]:
    """What the trace says of each device."""
    trace = json.loads(system.pipeline.command("trace", place, "--json"))
    return {fate["device"]: fate["outcome"] for fate in trace["devices"]}


def test_television_listens_phone_pulls_and_the_trace_knows(running: System, tmp_path: Path) -> None:
    """An event reaches the television at once, the phone when it asks; the trace tells both, by place and by item."""
    account, phone = "cli-1", tmp_path / "phone"
    assert pull(running, account, phone) == []
    television = started(running, account)
    place = send(running, account, 1)
    until(lambda: data(television) == [{"n": 0}, {"n": 1}], "the television got nothing")
    until(lambda: fates(running, place) == {"tv": "acked", "phone": "stored"}, "no ack in the trace")
    assert pull(running, account, phone) == [{"n": 0}, {"n": 1}]
    assert pull(running, account, phone) == []
    until(lambda: fates(running, place)["phone"] == "acked", "no ack of the phone in the trace")
    item = frames(television, "notification")[1]["item"]
    lines = running.pipeline.command("trace", item["id"]).splitlines()
    assert lines[0].startswith(f"member.list.changed  id {item['events'][0]} ")
    assert lines[-1] == "  delivered to 2 of 2 devices"
    assert any(" push " in line and "pushed for tv" in line for line in lines), "\n".join(lines)
    assert television.stop() == 0


def test_listener_goes_on_where_it_stopped(running: System, tmp_path: Path) -> None:
    """With its state a listener gets what it missed, nothing twice, and ends after the number it was told."""
    account, options = "cli-2", ("--state", str(tmp_path / "tv"))
    television = listen(running, account, *options)
    send(running, account, 1)
    until(lambda: data(television) == [{"n": 1}], "the television got nothing")
    assert television.stop() == 0
    send(running, account, 2)
    again = running.pipeline.start("again", "listen", "tv", "--account", account, *options, "--count", "1")
    until(lambda: not again.alive, "the listener did not end")
    assert (again.process.returncode, data(again)) == (0, [{"n": 2}])


def test_listener_that_does_not_ack_leaves_no_trace_of_one(running: System) -> None:
    """A frame that is taken in silence was pushed, and no more is known."""
    television = started(running, "cli-3", "--no-ack")
    place = send(running, "cli-3", 1)
    until(lambda: data(television) == [{"n": 0}, {"n": 1}], "the television got nothing")
    until(lambda: fates(running, place) == {"tv": "pushed"}, "not pushed")
    assert television.stop() == 0


def test_bad_token_ends_a_listener_with_one_line(running: System) -> None:
    """No other try mends a token: the reason is one line, and exit status 1."""
    for command in ("listen", "pull"):
        with pytest.raises(ProcessFailed) as caught:
            running.pipeline.command(command, "tv", "--token", "nonsense")
        assert "Error: 401 urn:lockstep:problem:bad-token: token refused" in str(caught.value)
        assert "Traceback" not in str(caught.value)


def test_worker_that_does_not_exist(running: System) -> None:
    """A misspelt worker is named, with the one that was meant."""
    with pytest.raises(ProcessFailed, match=r"Error: no worker 'criticl' \(did you mean 'critical'\?\)"):
        running.pipeline.command("run", "criticl")


def test_listener_comes_back_when_the_edge_does(running: System) -> None:
    """A listener outlives its edge: it tries again with patience, and gets what was sent meanwhile once.

    Where the edge stays away for three tries it polls for a while, so the second socket may come after what was sent.
    """
    account = "cli-4"
    television = listen(running, account)
    edge = next(member for member in running.pipeline.members if member.name == "edge")
    edge.kill()
    until(lambda: "again in" in television.log.read_text(), "the listener has not noticed")
    send(running, account, 1)
    running.pipeline.wait_ready([running.pipeline.edge()])
    send(running, account, 2)
    until(lambda: data(television) == [{"n": 1}, {"n": 2}], "the television did not come back")
    until(lambda: len(frames(television, "welcome")) == 2, "the television holds no socket")
    assert data(television) == [{"n": 1}, {"n": 2}]
    assert television.stop() == 0
