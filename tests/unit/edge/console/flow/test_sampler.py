"""Where the sampler asks, and that no address keeps it from telling what it knows."""

from __future__ import annotations

import asyncio

import pytest

from edge.console.flow.sampler import BadTarget, Sampler, addresses
from tests.unit.fakes import shipped_topology


def test_addresses_of_processes() -> None:
    """A host and a port each, several with commas between."""
    found = addresses({"router": "router:9090, [::1]:9091", "edge": "http://edge:9090/", "none": ""})
    assert found == {"router": [("router", 9090), ("::1", 9091)], "edge": [("edge", 9090)]}


@pytest.mark.parametrize("text", ["router", "router:", ":9090", "router:metrics", "router:99999", "router:\u00b2"])
def test_what_is_no_address_is_named(text: str) -> None:
    """When the console starts, not when somebody looks."""
    with pytest.raises(BadTarget, match="TARGETS: router: "):
        addresses({"router": text})


async def test_a_name_that_can_be_none_is_no_answer() -> None:
    """Its label is too long to be looked up; the page says that the worker does not answer."""
    sampler = Sampler({"router": [("a" * 70, 9090)]}, shipped_topology())
    async with asyncio.timeout(20):
        sample = await anext(samples := sampler.samples())
        await samples.aclose()
    assert sample["conservation"]["state"] == "unknown"
    assert "router" in sample["conservation"]["detail"]
