"""The producer of the Python client at a real edge: each event has a result, and none is dropped in silence."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest
from lockstep_client import Placed, Producer, Refused, Unpublished, cloud_event

from deploy.local.ports import free_ports
from deploy.local.servers import Running as Servers
from edge.problems import PREFIX
from streams.cloudevents import decode
from streams.settings import Ingest, Settings
from streams.topology import Topology
from tests.integration.edge.conftest import House, Houses
from tests.integration.edge.test_ingest import TYPE, producer, published


def events(house: House, number: int) -> list[dict[str, object]]:
    """So many events of the house's account."""
    return [cloud_event(TYPE, house.account, "/test", {"n": n}, id=f"e-{n}") for n in range(number)]


def ids(house: House) -> list[str]:
    """The ids of what lies in Kafka, in order."""
    return [decode(record.key, record.value, record.headers).id for record in published(house)]


async def test_what_is_published_together_shares_requests_and_keeps_its_order(
    houses: Houses, base_settings: Settings
) -> None:
    """More than fit into one batch; the place that each is given is where it lies."""
    token = producer(base_settings, rate=100_000, burst=100_000)
    house = await houses.open()  # which knows the producer: an edge that runs looks for new ones now and then
    async with Producer(house.base, token) as publisher:
        results = await publisher.publish_all(events(house, 1200))
    offsets = [result.offset for result in results if isinstance(result, Placed)]
    assert len(offsets) == 1200
    assert offsets == sorted(offsets)
    assert ids(house) == [f"e-{n}" for n in range(1200)]


async def test_each_event_has_its_own_result(houses: Houses, base_settings: Settings) -> None:
    """What is refused says why, and those beside it are taken; bytes and attributes arrive as they were given."""
    token = producer(base_settings, ("member.*",))
    house = await houses.open()
    good = cloud_event(TYPE, house.account, "/test", b"\x00\xff", version="7")
    async with Producer(house.base, token) as publisher:
        results = await publisher.publish_all(
            [
                good,
                cloud_event("device.diagnostics.requested", house.account, "/test"),
                cloud_event(TYPE, "", "/test"),
                cloud_event(TYPE, house.account, "/test", "x" * 20_000),
                cloud_event(TYPE, house.account, "/test", time="yesterday"),
            ]
        )
        with pytest.raises(Refused, match="type-not-allowed"):
            await publisher.publish(cloud_event("device.diagnostics.requested", house.account, "/test"))
        with pytest.raises(TypeError):
            await publisher.publish({"data": object()})
    assert isinstance(results[0], Placed)
    names = [result.problem["type"].removeprefix(PREFIX) for result in results[1:] if isinstance(result, Refused)]
    assert names == ["type-not-allowed", "event-no-account", "event-oversized", "event-bad-attribute"]
    [record] = published(house)
    found = decode(record.key, record.value, record.headers)
    assert (found.id, found.payload, found.revision) == (good["id"], b"\x00\xff", 7)


async def test_a_token_that_nobody_knows_is_the_result_of_each(house: House) -> None:
    """No second try is made."""
    async with Producer(house.base, "nonsense") as publisher:
        results = await publisher.publish_all(events(house, 3))
    assert [result.status for result in results if isinstance(result, Refused)] == [401] * 3
    assert ids(house) == []


async def test_above_its_rate_a_producer_comes_back_when_it_is_told(houses: Houses, base_settings: Settings) -> None:
    """429 and Retry-After: all are taken in the end, in their order."""
    token = producer(base_settings, rate=5, burst=5)
    house = await houses.open()
    began = time.monotonic()
    async with Producer(house.base, token, batch_events=5) as publisher:
        results = await publisher.publish_all(events(house, 12))
    assert all(isinstance(result, Placed) for result in results)
    assert ids(house) == [f"e-{n}" for n in range(12)]
    assert time.monotonic() - began >= 1.0


async def test_batches_that_are_too_large_are_made_smaller(base_settings: Settings, topology: Topology) -> None:
    """An edge may take less at once than the producer would send."""
    small = Ingest(callers=base_settings.ingest.callers, batch_events=40)
    async with Houses(msgspec.structs.replace(base_settings, ingest=small), topology) as houses:
        token = producer(base_settings)
        house = await houses.open()
        async with Producer(house.base, token) as publisher:
            results = await publisher.publish_all(events(house, 300))
        assert all(isinstance(result, Placed) for result in results)
        assert ids(house) == [f"e-{n}" for n in range(300)]


async def test_while_kafka_is_away_events_wait_until_their_time_is_up(
    servers: Servers, base_settings: Settings, topology: Topology
) -> None:
    """Who has patience is taken when it is back; who has none is told so, and may send the same id again."""
    impatient = Ingest(callers=base_settings.ingest.callers, timeout=1.0)
    async with Houses(msgspec.structs.replace(base_settings, ingest=impatient), topology) as houses:
        token = producer(base_settings)
        house = await houses.open()
        async with Producer(house.base, token) as patient, Producer(house.base, token, patience=2.0) as hasty:
            await patient.publish(cloud_event(TYPE, house.account, "/test", id="before"))
            servers.pause("kafka")
            waiting = asyncio.create_task(patient.publish_all(events(house, 20)))
            lost = cloud_event(TYPE, house.account, "/test", id="hasty")
            with pytest.raises(Unpublished, match="hasty may not be published: 503") as caught:
                await hasty.publish(lost)
            assert caught.value.event == lost
            servers.resume("kafka")
            assert all(isinstance(result, Placed) for result in await waiting)
        assert {f"e-{n}" for n in range(20)} <= set(ids(house))


async def test_an_edge_that_is_away_is_tried_again(houses: Houses, base_settings: Settings) -> None:
    """Nobody listens: the event is Unpublished when its time is up; leaving waits for what is under way."""
    token = producer(base_settings)
    async with Producer(f"http://127.0.0.1:{free_ports(1)[0]}", token, patience=1.5) as publisher:
        task = asyncio.create_task(publisher.publish(cloud_event(TYPE, "a", "/test")))
        await asyncio.sleep(0)
    with pytest.raises(Unpublished, match="Connect call failed"):
        await task
    with pytest.raises(RuntimeError, match="async with"):
        await publisher.publish(cloud_event(TYPE, "a", "/test"))
    house = await houses.open()
    async with Producer(house.base, token) as publisher:
        assert isinstance(await publisher.publish(cloud_event(TYPE, house.account, "/test")), Placed)
