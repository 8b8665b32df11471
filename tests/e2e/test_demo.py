"""`make demo` as a new user runs it, with topics, keyspace and ports of its own on the servers of the run."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.config import NAMES, Config
from deploy.local.ports import free_ports, is_free
from tests.console.browser import Browser, Served
from tests.docs.blocks import blocks
from tests.docs.shapes import missed
from tests.unit.fakes import shipped_topology

ROOT = Path(__file__).parents[2]
DEADLINE = 90.0
LINES = {
    "viewing activity on the TV": r"normal +age ok, new, newest +phone-1 acked \d+, browser acked \d+, "
    r"phone-2 stored \(off\)",
    "personalised refresh": r"low +age ok, new, newest +tv acked \d+, phone-1 acked \d+, browser acked \d+, phone-2 s",
    "plan change ": r"high +age ok, new, newest +tv acked",
    "My List": r"normal +age ok, new, newest +tv acked",
    "three changes of My List": r"normal +age ok, new, merged +merged into \d:\d+, .*tv acked \d+, .*phone-2 stored",
    "profile: maturity level": r"critical +age ok, new, newest +tv acked",
    "diagnostics of the TV": r"low +age ok, new, newest +tv acked \d+$",
    "too old": r"normal +age: refused +stale: route: age \d+ ms, limit 3600000 ms$",
    "the same My List again": r"normal +age ok, duplicate: refused +duplicate: of \d:\d+$",
    "plan change, older version": r"high +age ok, new, superseded: refused +superseded: by \d:\d+: 2 is newer than 1$",
    "not an event at all": r"- +decode: refused +dead-lettered: undecodable: ",
    "for the phone that is off": r"high +age ok, new, newest +phone-2 stored \(off\)$",
}
#: One for the edge, one for the console, and one for each worker.
HEALTH_PORTS = 2 + len(shipped_topology().workers)
Environment = dict[str, str]


@pytest.fixture(scope="module")
def environment(
    local_config: Config, kafka: str, cassandra_address: tuple[str, int], redis_address: tuple[str, int]
) -> Environment:
    """What makes the demo use the servers of the run, and nothing else that is there."""
    own = {name: text for name, text in os.environ.items() if not name.startswith(("LOCKSTEP_", "MAKE", "MFLAGS"))}
    name = f"demo{uuid.uuid4().hex[:8]}"
    first = next(port for port in free_ports(50) if all(is_free(port + number) for number in range(HEALTH_PORTS + 3)))
    servers = {f"LOCKSTEP_LOCAL_{server.upper()}_PORT": str(local_config.ports[server]) for server in NAMES}
    return {
        **own, **servers, "LOCKSTEP_LOCAL_HOME": str(local_config.home), "LOCKSTEP_TOPIC_PREFIX": f"{name}.",
        "LOCKSTEP_CASSANDRA__KEYSPACE": name, "LOCKSTEP_HEALTH__PORT": str(first),
        "LOCKSTEP_EDGE__PORT": str(first + HEALTH_PORTS),
        "LOCKSTEP_EDGE__PUSH_PORT": str(first + HEALTH_PORTS + 1),
        "LOCKSTEP_CONSOLE__PORT": str(first + HEALTH_PORTS + 2), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def make_demo(environment: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make demo`, to its end."""
    return subprocess.run(
        ["make", "demo", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE,
        check=False,
    )  # fmt: skip


def check_lines(text: str) -> None:
    """One line for each event, with lane, gates and devices; then what the phone got when it came home."""
    scenario, _, home = text.partition("phone-2 comes online:")
    lines = scenario.splitlines()
    for title, pattern in LINES.items():
        (line,) = (line for line in lines if line.startswith(f" {title}") and ("older" in line) == ("older" in title))
        assert re.search(pattern, line), line
    assert "household-7: tv (on), phone-1 (on), browser (on), phone-2 (off)" in lines
    assert home.count("from its inbox\n") == 9
    assert "every expected outcome was seen" in home
    woken = re.findall(r"^ (\w+) +accepted by (\w+) \d+(.*): member.plan.changed$", home, re.MULTILINE)
    firefox = "browser", "webpush", ", read by Firefox"
    assert woken == [("phone", "apns", ""), ("tablet", "fcm", ""), firefox, ("stick", "webhook", "")]


def test_demo_once_ends_well(environment: Environment) -> None:
    """Every outcome is seen and printed as the README shows, the exit status is 0, and its processes are gone."""
    done = make_demo(environment, "ONCE=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    check_lines(done.stdout)
    [shown] = [block.text for block in blocks(ROOT / "README.md") if block.text.startswith("lockstep  up in ")]
    assert missed(shown, done.stdout) == ""
    assert "It stays up" not in done.stdout
    assert "console" not in done.stdout
    assert is_free(int(environment["LOCKSTEP_EDGE__PORT"]))
    assert all(is_free(int(environment["LOCKSTEP_HEALTH__PORT"]) + number) for number in range(HEALTH_PORTS))


@pytest.mark.parametrize(
    "variable",
    ["LOCKSTEP_EDGE__PORT", "LOCKSTEP_EDGE__PUSH_PORT", "LOCKSTEP_CONSOLE__PORT", "LOCKSTEP_HEALTH__PORT"],
)
def test_port_that_is_taken_is_one_line(environment: Environment, variable: str) -> None:
    """It names the port, who has it and what to do, before anything is started."""
    port = int(environment[variable])
    with socket.create_server(("127.0.0.1", port)):
        done = make_demo(environment, "ONCE=1")
    assert done.returncode == 2  # of make
    assert done.stdout == ""
    line = done.stderr.splitlines()[0]
    assert line.startswith(f"error: port {port} is taken by pid {os.getpid()} (")
    assert variable in line
    assert "Traceback" not in done.stderr


def test_setting_that_cannot_be_used_is_one_line(environment: Environment) -> None:
    """As everywhere else."""
    done = make_demo({**environment, "LOCKSTEP_EDGE__PORT": "many"}, "ONCE=1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: LOCKSTEP_EDGE__PORT: ")
    assert "Traceback" not in done.stderr


@pytest.fixture
def staying(environment: Environment, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A demo that stays up, and where it prints."""
    output = tmp_path / "output"
    with output.open("wb") as out:
        process = subprocess.Popen(
            ["make", "demo"], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        yield process, output
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(DEADLINE)


def shown(process: subprocess.Popen[bytes], output: Path, text: str) -> str:
    """What a process has printed, once that text is there."""
    end = time.monotonic() + DEADLINE
    while True:
        ended = process.poll() is not None
        printed = output.read_text()
        if text in printed:
            return printed
        assert not ended, printed
        assert time.monotonic() < end, printed
        time.sleep(0.05)


@dataclass
class Terminal:
    """Another terminal, which knows of the demo only what it says; what it runs prints into `directory`."""

    commands: list[str]
    environment: Environment
    directory: Path

    def start(self, command: str, more: str = "") -> tuple[subprocess.Popen[bytes], Path]:
        """Start the suggestion that begins so."""
        exports = [line for line in self.commands if line.startswith("export ")]
        (suggested,) = (line for line in self.commands if line.startswith(command))
        script = "\n".join([*exports, "exec " + re.sub(" +# .*", "", suggested) + more])
        own = {name: text for name, text in self.environment.items() if not name.startswith("LOCKSTEP_")}
        output = self.directory / command.replace(" ", "-")
        with output.open("wb") as out:
            process = subprocess.Popen(["bash", "-ec", script], cwd=ROOT, env=own, stdout=out, stderr=subprocess.STDOUT)
        return process, output

    def run(self, command: str) -> str:
        """What the suggestion prints; it ends well."""
        process, output = self.start(command)
        assert process.wait(DEADLINE) == 0, output.read_text()
        return output.read_text()


def check_console(text: str) -> None:
    """The address that the demo prints is the console's, and its token an operator's who may do everything."""
    (address,) = {line.split()[-1] for line in text.splitlines() if "/#token=" in line}
    url, _, token = address.partition("/#token=")
    session, flow = asyncio.run(looked_at(url, token))
    assert (session["name"], session["may"]) == ("demo", ["read", "write", "payload"])
    assert flow["conservation"]["state"] == "ok", flow
    assert all(row["up"] for row in flow["workers"])


async def looked_at(url: str, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the console says of the session, and of the pipeline."""
    async with Browser(Served(url, {})) as browser:
        session = await browser.sign_in_with(token)
        return session.body, (await browser.get("flow")).body


def test_demo_stays_and_what_it_suggests_works(
    environment: Environment, staying: tuple[subprocess.Popen[bytes], Path], tmp_path: Path
) -> None:
    """Its commands work as printed in another terminal; Ctrl-C ends all its processes."""
    process, output = staying
    text = shown(process, output, "`make down` stops")
    check_lines(text)
    commands = [line.strip() for line in text.partition("in another terminal:")[2].splitlines() if line[:2] == "  "]
    assert [line.split()[:2] for line in commands if not line.startswith("export ")] == [
        ["lockstep", "listen"], ["lockstep", "send"], ["lockstep", "trace"], ["lockstep", "pull"], ["curl", "-s"],
    ]  # fmt: skip
    check_console(text)
    terminal = Terminal(commands, environment, tmp_path)
    television, frames = terminal.start("lockstep listen", " --count 1")
    try:
        shown(television, frames, '"sync_end"')
        assert '"account":"me"' in terminal.run("lockstep send")
        shown(television, frames, '"data":{"plan":"premium"}')
        assert television.wait(DEADLINE) == 0
    finally:
        television.kill()
    assert "2 is newer than 1" in terminal.run("lockstep trace")
    assert len(terminal.run("lockstep pull").splitlines()) >= 6
    assert 'lockstep_outcomes_total{lane="all",outcome="stale",stage="route"} 1.0' in terminal.run("curl")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(DEADLINE) != 0
    assert "Traceback" not in output.read_text()
    assert is_free(int(environment["LOCKSTEP_EDGE__PORT"]))
