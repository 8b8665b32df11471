"""The prober: an event type for every lane, and what it remembers of a round that fails."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import generate_latest

from edge.prober import NoType, Probe, Prober, export, types_of
from streams.check import load
from streams.metrics import Metrics
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
