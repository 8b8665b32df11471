"""The prober: an event type for every lane, and what it remembers of a round that fails."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import generate_latest

from edge.prober import NoType, Probe, Prober, export, types_of
from streams.check import load
from streams.metrics import Metrics
from streams.transport.client import PublishFailed
from tests.unit.fakes import ROOT

TOPOLOGY = (ROOT / "topics.yaml").read_text()


def test_every_lane_has_a_type_that_a_television_is_told_of() -> None:
    """In the order of the lanes."""
    found = types_of(load(TOPOLOGY, "topics.yaml", handlers=False), "tv")
    assert list(found) == ["critical", "high", "normal", "low"]
    assert found["critical"] == "member.profile.maturity-changed"


def test_a_lane_into_which_nothing_leads_is_named() -> None:
    """The prober must not say that all lanes are well when it looks at three."""
    text = TOPOLOGY.replace("lane: low", "lane: normal")
    with pytest.raises(NoType, match=r"no event type of topics\.yaml leads a tv into lane low"):
        types_of(load(text, "topics.yaml", handlers=False), "tv")


def publish(event: Mapping[str, Any]) -> None:
    """Nobody asks for it: there is no edge."""
    raise AssertionError(event)


async def test_without_an_edge_every_probe_is_lost_and_counted(unused_tcp_port: int) -> None:
    """The reason is kept; the series of the lanes are there from the start."""
    probe = Probe(f"http://127.0.0.1:{unused_tcp_port}", "d", "tv", lambda: "token", publish)
    prober = Prober(probe, {"high": "a", "low": "b"}, "account", 5.0)
    metrics = Metrics()
    export(metrics, prober)
    before = generate_latest(metrics.registry).decode()
    assert 'lockstep_prober_probes_total{lane="high",outcome="lost"} 0.0' in before
    assert await asyncio.wait_for(prober.round(), 10) == {"high": None, "low": None}
    assert re.search("Cannot connect", prober.why)
    after = generate_latest(metrics.registry).decode()
    assert 'lockstep_prober_probes_total{lane="low",outcome="lost"} 1.0' in after
    assert 'lockstep_prober_latency_seconds_count{lane="low"} 0.0' in after


class Edge:
    """Pushes each event that was published at once."""

    def __init__(self) -> None:
        self._published: asyncio.Queue[str] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def publish(self, event: Mapping[str, Any]) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._published.put_nowait, event["id"])

    async def register(self, request: web.Request) -> web.Response:
        """Any device."""
        return web.json_response({"device": {}, "cursor": "first"})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """A session that is live."""
        socket = web.WebSocketResponse(protocols=("lockstep.v1",))
        await socket.prepare(request)
        await socket.receive()
        await socket.send_json({"type": "sync_end", "cursor": "next"})
        for number in (1, 2):
            id_ = await self._published.get()
            item = {"id": f"{number:032x}"[::-1], "lane": "a", "cursor": "next", "events": [id_]}
            await socket.send_json({"type": "notification", "item": item})
        async for _ in socket:  # until the prober closes
            pass
        return socket


async def probed(publish: Callable[[Edge, Mapping[str, Any]], None], timeout: float) -> Prober:
    """A prober of two lanes after a round, whose events go through `publish`."""
    edge, app = Edge(), web.Application()
    app.add_routes([web.put("/v1/devices/d", edge.register), web.get("/v1/socket", edge.socket)])
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        probe = Probe(url, "d", "tv", lambda: "token", lambda event: publish(edge, event))
        prober = Prober(probe, {"high": "a", "low": "b"}, "account", timeout)
        await prober.round()
    return prober


async def test_a_lane_that_hangs_does_not_hold_up_the_others() -> None:
    """The first one is published when the second one is at its device."""
    other = threading.Event()

    def publish(edge: Edge, event: Mapping[str, Any]) -> None:
        if event["type"] == "a":
            assert other.wait(20)
        edge.publish(event)
        other.set()

    prober = await probed(publish, 30)
    assert (prober.delivered, prober.why) == ({"high": 1, "low": 1}, "")


async def test_what_the_broker_does_not_take_is_lost_and_says_why() -> None:
    """Not until the time is over, but at once."""

    def publish(edge: Edge, event: Mapping[str, Any]) -> None:
        raise PublishFailed("the broker is full")

    prober = await asyncio.wait_for(probed(publish, 600), 20)
    assert (prober.lost, prober.why) == ({"high": 1, "low": 1}, "the broker is full")
