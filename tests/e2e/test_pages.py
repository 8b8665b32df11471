"""The examples of docs/producers.md and docs/devices.md, run as they stand there, against a running lockstep."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from lockstep_client import DeviceClient, Refused

from deploy.local.ports import free_ports
from tests.e2e.household import until
from tests.e2e.subjects import JAVASCRIPT, browsing, with_ws
from tests.e2e.system import System
from tests.unit.fakes import ROOT

DEADLINE = 120
#: Added to the page for browsers: tells the test what the page shows.
WATCHED = """<script>
new MutationObserver(() => fetch("/said", { method: "POST", body: document.body.innerText }))
  .observe(document.body, { childList: true, characterData: true });
</script>"""
#: What a reader has: the command `lockstep` on the path.
LOCKSTEP = 'lockstep() { "{python}" -m edge.cli "$@"; }\n'


def blocks(page: str, language: str = "sh") -> list[str]:
    """The examples of a page in a language, in order."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "shown"), [("producers.md", '"status":202'), ("devices.md", '"plan": "premium"')])
def test_the_examples_of_a_page_run(running: System, page: str, shown: str, tmp_path: Path) -> None:
    """One shell runs all of them; any status of an error ends it."""
    found = blocks(page)
    assert len(found) >= 3
    account = f"me-{uuid.uuid4().hex[:8]}"
    script = "set -euo pipefail\n" + LOCKSTEP.replace("{python}", sys.executable) + "\n".join(found)
    assert "http://127.0.0.1:8080" in script
    for written, real in (
        ("http://127.0.0.1:8080", running.url), ('"me"', f'"{account}"'), (": me'", f": {account}'"),
        ("--account me", f"--account {account}"),
    ):  # fmt: skip
        script = script.replace(written, real)
    done = subprocess.run(
        ["bash", "-c", script],
        env=running.environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert shown in done.stdout


def example(page: str, language: str, url: str, account: str) -> str:
    """The one example of a page in a language, for this edge and this account."""
    [found] = blocks(page, language)
    assert "http://127.0.0.1:8080" in found
    return found.replace("http://127.0.0.1:8080", url).replace('"me"', f'"{account}"')


def run_example(command: list[str], token: str, directory: Path) -> subprocess.Popen[str]:
    """Start an example in a directory of its own."""
    environment = {**os.environ, "TOKEN": token, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command, cwd=directory, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def said(process: subprocess.Popen[str]) -> str:
    """What an example printed; it must end well."""
    try:
        out, err = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
    assert process.returncode == 0, f"{out}\n{err}"
    return out


def plan_changed(system: System, account: str) -> None:
    """Publish the event that the devices of the page wait for."""
    system.pipeline.command(
        "send", "--account", account, "--type", "member.plan.changed", "--data", '{"plan": "premium"}'
    )


async def until_registered(system: System, account: str, device: str, type_: str) -> None:
    """Wait until a device has registered: what is published from now on is shown to it."""

    async def is_there() -> bool:
        async with DeviceClient(system.url, device, system.token(account, device, type_)) as client:
            with suppress(Refused):
                return bool(await client.describe())
            return False

    await until(is_there, lambda: f"{device} does not register")


@pytest.mark.parametrize("language", ["python", "js"])
async def test_the_device_of_the_page_runs(running: System, language: str, tmp_path: Path) -> None:
    """As it stands there it registers, shows an event, and ends."""
    account = f"me-{uuid.uuid4().hex[:8]}"
    token = running.token(account, "my-tv", "tv")
    name = {"python": "device.py", "js": "device.mjs"}[language]
    (tmp_path / name).write_text(example("devices.md", language, running.url, account))
    (tmp_path / "lockstep.mjs").symlink_to(JAVASCRIPT / "lockstep.mjs")
    (tmp_path / "node_modules").symlink_to(with_ws() / "node_modules")
    started = run_example([{"python": sys.executable, "js": "node"}[language], name], token, tmp_path)
    try:
        await until_registered(running, account, "my-tv", "tv")
        plan_changed(running, account)
    except BaseException:
        started.kill()
        raise
    shown = {"python": "member.plan.changed {'plan': 'premium'}\n", "js": "member.plan.changed { plan: 'premium' }\n"}
    assert said(started) == shown[language]


async def test_the_page_for_browsers_runs(running: System, tmp_path: Path) -> None:
    """As it stands there, served beside the client and a token, it shows an event."""
    account = f"me-{uuid.uuid4().hex[:8]}"
    port, push_port = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    edge = running.pipeline.edge(
        LOCKSTEP_EDGE__PORT=str(port), LOCKSTEP_EDGE__PUSH_PORT=str(push_port), LOCKSTEP_EDGE__ORIGINS='["*"]'
    )
    running.pipeline.wait_ready([edge])
    token = running.token(account, "my-browser", "browser")
    page = "<!doctype html><body></body>" + example("devices.md", "html", url, account) + WATCHED
    async with browsing(page, token, tmp_path) as texts:
        await until_registered(running, account, "my-browser", "browser")
        plan_changed(running, account)
        await until(lambda: any('member.plan.changed {"plan":"premium"}' in text for text in texts), lambda: texts)
    edge.stop()


def test_the_producer_of_the_page_runs(running: System, tmp_path: Path) -> None:
    """As it stands there it publishes, and each event has its place."""
    token = running.pipeline.command("producer", f"p-{uuid.uuid4().hex[:8]}", "--type", "member.*").strip()
    (tmp_path / "producer.py").write_text(example("producers.md", "python", running.url, "me-" + uuid.uuid4().hex[:8]))
    deadline = time.monotonic() + DEADLINE
    while True:  # the edge reads the file of producers again within 10 s
        done = run_example([sys.executable, "producer.py"], token, tmp_path)
        out, err = done.communicate(timeout=DEADLINE)
        if "bad-token" not in err:
            break
        assert time.monotonic() < deadline, err
        time.sleep(0.5)
    assert done.returncode == 0, err
    first, *others = out.splitlines()
    assert re.fullmatch(r"Placed\(partition=\d, offset=\d+\)", first)
    assert [line.split()[1] for line in others] == ["placed"] * 3
