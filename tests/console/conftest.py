"""A console on a running lockstep, and people who use it as a browser would."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.pipeline import Member
from deploy.local.ports import free_ports
from tests.console.browser import Browser, Served
from tests.e2e.conftest import prepare, running
from tests.e2e.system import WORKERS, System

__all__ = ["prepare", "running"]


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
