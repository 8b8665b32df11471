"""A console on a running lockstep, and people who use it as a browser would."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.pipeline import Member
from deploy.local.ports import free_ports
from examples.demo.play import Play
from streams.check import load_file
from streams.settings import read_settings
from tests import node
from tests.console.browser import Browser, Served
from tests.console.chromium import browser, tab
from tests.console.screen import Pictures, Screen
from tests.e2e.conftest import Prepare, prepare
from tests.e2e.system import WORKERS, System
from tests.unit.fakes import ROOT

__all__ = ["prepare"]
#: What the page is made of, as its makers release it, and what judges it.
PAGE_PACKAGES = ROOT / "tests" / "console" / "page"
PICTURES = ROOT / "docs" / "images"


@pytest.fixture(scope="package")
def running(prepare: Prepare, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system that all tests of the folder share; its edge is called by the console's page too."""
    with prepare(f"console-{uuid.uuid4().hex[:8]}.", tmp_path_factory.mktemp("console")) as made:
        made.pipeline.environment["LOCKSTEP_EDGE__ORIGINS"] = '["*"]'
        made.start()
        yield made


@pytest.fixture(scope="package")
def console(running: System) -> Iterator[Served]:
    """A console of the system that all tests of the folder share."""
    member, served = serve(running)
    running.pipeline.wait_ready([member])
    yield served
    member.stop()


def serve(system: System, **settings: str) -> tuple[Member, Served]:
    """Start a console, with operators of all kinds."""
    (port,) = free_ports(1)
    members = {member.name: member for member in system.pipeline.members if member.alive}
    targets = {name: f"127.0.0.1:{members[name].health_port}" for name in (*WORKERS, "edge") if name in members}
    keys = system.pipeline.directory / "keys"
    own = {
        "LOCKSTEP_CONSOLE__PORT": str(port),
        "LOCKSTEP_CONSOLE__TARGETS": json.dumps(targets),
        "LOCKSTEP_CONSOLE__PLAY_KEY": str(keys / "private.jwk"),
    }
    tokens = {
        "reader": system.pipeline.command("operator", "reader").strip(),
        "writer": system.pipeline.command("operator", "writer", "--write").strip(),
        "all": system.pipeline.command("operator", "all", "--write", "--payload").strip(),
    }
    member = system.pipeline.start("console", "console", **{**own, **settings})
    return member, Served(f"http://127.0.0.1:{port}", tokens)


@pytest.fixture
async def visitor(console: Served) -> AsyncIterator[Browser]:
    """Somebody who has not signed in."""
    async with Browser(console) as browser:
        yield browser


@pytest.fixture
async def reader(console: Served) -> AsyncIterator[Browser]:
    """An operator who may look."""
    async with Browser(console) as browser:
        await browser.sign_in("reader")
        yield browser


@pytest.fixture
async def writer(console: Served) -> AsyncIterator[Browser]:
    """An operator who may look, change, and see payloads."""
    async with Browser(console) as browser:
        await browser.sign_in("all")
        yield browser


@pytest.fixture(scope="package")
def demo(running: System) -> str:
    """The demo's household has lived its day; where its last event lies."""
    settings = read_settings(running.environment())
    play = Play(settings, load_file(settings.topology, settings))
    asyncio.run(play.run())  # whether all went as it should is what its own test asks
    return "{}/{}".format(*play.place)


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A browser that all tests of the folder share."""
    with browser(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
async def screen(chromium: str) -> AsyncIterator[Screen]:
    """A tab of its own, of which nobody has signed in."""
    async with tab(chromium) as connection:
        found = Screen(connection)
        await found.size(1280, 860)
        yield found


@pytest.fixture(scope="session")
def axe() -> str:
    """The script that finds what keeps people from using a page."""
    return (node.installed(PAGE_PACKAGES) / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def picture(tmp_path: Path) -> Pictures:
    """Takes the pictures of the documentation; with SCREENSHOTS=1 they take the place of those there."""
    kept = bool(os.environ.get("SCREENSHOTS"))
    return Pictures(PICTURES if kept else tmp_path, kept)
