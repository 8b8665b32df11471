"""The examples of the pages, run as they stand there, against a running lockstep."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import yaml
from lockstep_client import DeviceClient, Refused

from deploy.local.ports import free_ports
from tests.docs.blocks import PAGES, SHELLS, Block, blocks
from tests.docs.classes import classes
from tests.e2e.conftest import Prepare
from tests.e2e.household import until
from tests.e2e.pages import Reader
from tests.e2e.subjects import JAVASCRIPT, browsing, with_ws
from tests.e2e.system import System
from tests.unit.fakes import ROOT

DEADLINE = 120
#: Pages whose reader has a dead letter before the first example.
BROKEN = {"operations.md"}
#: Added to the page for browsers: tells the test what the page shows.
WATCHED = """<script>
new MutationObserver(() => fetch("/said", { method: "POST", body: document.body.innerText }))
  .observe(document.body, { childList: true, characterData: true });
</script>"""


@pytest.fixture(scope="module")
def documented(prepare: Prepare, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A lockstep for whoever reads the pages: with the cookbook's use cases, and a port for operators."""
    directory = tmp_path_factory.mktemp("pages")
    with prepare(f"pages-{uuid.uuid4().hex[:8]}.", directory) as made:
        prepare_pages(made)
        made.start()
        yield made


def prepare_pages(system: System) -> None:
    """Write the cookbook's use cases into its topology, and have its edge serve operators."""
    path = Path(system.pipeline.environment["LOCKSTEP_TOPOLOGY"])
    document = yaml.safe_load(path.read_text())
    for block in (each for each in blocks(ROOT / "docs" / "cookbook.md") if each.language == "yaml"):
        document["use_cases"] |= yaml.safe_load(block.text)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    [port] = free_ports(1)
    system.pipeline.environment["LOCKSTEP_EDGE__OPERATOR_PORT"] = str(port)


def read_page(system: System, page: Path, directory: Path) -> None:
    """Run the examples of a page in its order, with an account that is nobody else's."""
    account = f"me-{uuid.uuid4().hex[:8]}"
    operators = f"http://127.0.0.1:{system.pipeline.environment['LOCKSTEP_EDGE__OPERATOR_PORT']}"
    instead = {
        "http://127.0.0.1:8080": system.url,
        "http://127.0.0.1:8082": operators,
        "/accounts/me/": f"/accounts/{account}/",
        '"me"': f'"{account}"',
        ": me'": f": {account}'",
        "account me": f"account {account}",
    }
    (directory / ".local").mkdir(parents=True)
    for name in ("schemas", "topics.yaml", "examples"):
        (directory / name).symlink_to(ROOT / name)
    if page.name in BROKEN:
        system.pipeline.command("send", "--account", account, "--type", "member.no.such", "--data", "{}")
    reader = Reader(system, directory, instead)
    with ExitStack() as stack:
        stack.callback(reader.leave)
        for block in examples(page):
            reader.follow(block)
        reader.finish()


def examples(page: Path) -> list[Block]:
    """The blocks of a page that are run here."""
    return [block for block in blocks(page) if block.language in SHELLS and classes(block) == {"page"}]


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=lambda page: page.name)
def test_the_examples_of_a_page_run(documented: System, page: Path, tmp_path: Path) -> None:
    """Each ends well and prints what the page shows; variables live on from one to the next."""
    read_page(documented, page, tmp_path / "clone")


def example(page: str, language: str, url: str, account: str) -> str:
    """The one example of a page in a language, for this edge and this account."""
    [found] = (block.text for block in blocks(ROOT / "docs" / page) if block.language == language)
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
