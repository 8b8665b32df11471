"""The composition root: handlers by dotted path, one agent for each binding, resources opened once and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from streams import worker
from streams.settings import Settings
from streams.stage import Handler, Resources, Stage
from streams.topology import StageBinding
from streams.worker import UnknownHandler, factory, lane_name, lingers_of, opening
from tests.unit.fakes import FakeOutput, make_stage, shipped_topology


def test_a_handler_is_found_by_its_dotted_path() -> None:
    """And one that is not there is named."""
    assert factory("agents.route.stage").__module__ == "agents.route"
    with pytest.raises(UnknownHandler, match=r"handler agents\.rout\.stage"):
        factory("agents.rout.stage")
    with pytest.raises(UnknownHandler, match=r"handler agents\.route\.stag:"):
        factory("agents.route.stag")


@pytest.mark.parametrize(
    ("worker", "lingers"), [("router", (20, 0)), ("critical", (0, 0)), ("low", (100, 100)), ("push-fcm", (0, 0))]
)
def test_a_worker_lingers_as_its_most_urgent_lane_does(worker: str, lingers: tuple[int, int]) -> None:
    """Unless it has a linger of its own, which is for reads alone."""
    assert lingers_of(worker, shipped_topology()) == lingers


def test_a_stage_of_all_lanes_is_labelled_so() -> None:
    """The router has no lane of its own."""
    topology = shipped_topology()
    assert [lane_name(topology, b) for w in ("router", "low") for b in topology.bindings(w)][:2] == ["all", "low"]


async def test_opening_adds_the_agents_and_closes_what_their_stages_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resources live from before the first batch to after the last."""
    told: list[str] = []
    monkeypatch.setattr(worker, "add_agent", lambda app, name, topic, handler: told.append(f"agent {name} on {topic}"))

    @asynccontextmanager
    async def connect(_: Settings) -> AsyncIterator[str]:
        told.append("open")
        yield "store"
        told.append("close")

    async def make(stage: Stage) -> Handler:
        assert await stage.resources.get(connect) == "store"

        async def handle(batch: Any) -> int:
            return -1

        return handle

    def stage(binding: StageBinding, resources: Resources) -> Stage:
        made = make_stage(binding.stage, FakeOutput())
        return Stage(**{name: getattr(made, name) for name in made.__struct_fields__} | {"resources": resources})

    bindings = shipped_topology().bindings("low")
    settings = Settings(topic_prefix="p.")
    async with opening(None, settings, dict.fromkeys(bindings, make), stage)():
        assert told[0] == "open"
        assert told[1:] == [f"agent {b.stage}:{b.topic} on p.{b.topic}" for b in bindings]
    assert told[-1] == "close"
    assert told.count("open") == 1
