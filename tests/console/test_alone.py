"""A console whose Kafka, Cassandra and Redis are away: it is there, and says what is not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from deploy.local.pipeline import environment
from deploy.local.ports import free_ports
from edge.auth.callers import Operator, digest, put
from edge.console.flow.sampler import BadTarget
from edge.console.server import running
from streams.check import load_file
from streams.settings import Settings, read_settings
from streams.transport import reader
from tests.console.browser import Browser, Served
from tests.unit.fakes import ROOT

TOKEN = "lockstep-operator-alone"


def alone(directory: Path, **more: str) -> Settings:
    """Settings of stores at ports where nobody listens."""
    kafka_port, cassandra, redis, edge, pushes, console = free_ports(6)
    address = "127.0.0.1"
    variables = environment(f"{address}:{kafka_port}", (address, cassandra), (address, redis), directory, edge, pushes)
    put(
        Path(variables["LOCKSTEP_INGEST__CALLERS"]),
        Operator(name="alone", tokens=(digest(TOKEN),), may=("read", "write")),
    )
    own = {
        "LOCKSTEP_CONSOLE__PORT": str(console),
        "LOCKSTEP_DATA_DIR": str(directory / "data"),
        "LOCKSTEP_HEALTH__PORT": "0",
        "LOCKSTEP_TOPOLOGY": str(ROOT / "topics.yaml"),
    }
    return read_settings({**variables, **own, **more})


async def test_without_servers_every_page_says_what_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with the store's own words where it is needed, answers where it is not; search tells of its trouble."""
    monkeypatch.setattr(reader, "_TIMEOUT", 0.5)
    settings = alone(tmp_path)
    async with AsyncExitStack() as servers:
        topology = load_file(settings.topology, settings, handlers=False)
        served = await servers.enter_async_context(running(settings, topology))
        async with Browser(Served(f"http://127.0.0.1:{served.port}", {"alone": TOKEN})) as browser:
            assert (await browser.sign_in("alone")).status == 200
            await what_is_away(browser)
            stream = asyncio.create_task(browser.lines("flow/stream", 100))
            await asyncio.sleep(0.2)
            await servers.aclose()
            assert len(await stream) < 100  # it ends with the console


async def what_is_away(browser: Browser) -> None:
    """Each page's own word for it."""
    assert (await browser.get("topology")).status == 200
    answers = await asyncio.gather(
        browser.get("events/0/0"), browser.get("dead-letters"), browser.post("what-if", {"use_case": "my-list"})
    )
    for answer in answers:
        assert (answer.status, answer.problem) == (503, "kafka-unavailable")
    account = await browser.get("accounts/anna")
    assert (account.status, account.problem) == (503, "unavailable")
    search = (await browser.get("search?q=anna")).body
    assert search["hits"] == []
    assert search["index"]["trouble"]
    flow = (await browser.get("flow")).body
    assert flow["conservation"]["state"] == "unknown"
    assert not any(row["up"] for row in flow["workers"])
    no_key = await browser.post("play/token", {"account": "a", "device": "b", "type": "tv"})
    assert (no_key.status, no_key.problem) == (404, "no-play-key")


async def test_addresses_of_workers_that_are_none(tmp_path: Path) -> None:
    """The console does not start, and names the setting."""
    settings = alone(tmp_path, LOCKSTEP_CONSOLE__TARGETS='{"router": "somewhere"}')
    with pytest.raises(BadTarget, match="CONSOLE__TARGETS: router: 'somewhere' is not host:port"):
        async with running(settings, load_file(settings.topology, settings, handlers=False)):
            pass
