"""docs/one-event.md names every module that an event passes, in order, and there are at most twelve."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lockstep_client import DeviceClient

from edge.auth.tokens import PRIVATE, PUBLIC, generate_keys, issue
from edge.ingest.outgoing import outgoing
from edge.server import Running
from sinks.cassandra import apply_schema
from streams import settings as groups
from streams.admin import apply, plan
from streams.murmur2 import partition_for
from streams.native.kernel import Accepted, Left
from streams.record import Record
from streams.settings import Settings
from streams.topology import Topology
from streams.transport.client import Publisher, RawRecord, read_partition
from tests.e2e.way import Passed, one_process, profiled
from tests.unit.fakes import ROOT, shipped_topology

PAGE = ROOT / "docs" / "one-event.md"
ACCOUNT = "household-1"
MOST = 12
DEADLINE = 30.0
EVENT = {"type": "member.plan.changed", "subject": ACCOUNT, "data": {"plan": "premium"}}


def listed() -> list[str]:
    """The modules of the page's numbered list, as Python names them."""
    paths = re.findall(r"^\d+\. `([a-z0-9_/]+)\.py`", PAGE.read_text(), re.MULTILINE)
    return [path.replace("/", ".") for path in paths]


@pytest.fixture
def topology() -> Topology:
    """The topology as shipped."""
    return shipped_topology()


@pytest.fixture
def settings(
    kafka: str,
    cassandra_address: tuple[str, int],
    redis_address: tuple[str, int],
    prefix: str,
    tmp_path: Path,
    topology: Topology,
) -> Settings:
    """Topics at both ends of the way, a keyspace and keys, all of the test's own."""
    generate_keys(tmp_path)
    host, port = cassandra_address
    made = Settings(
        topic_prefix=prefix,
        kafka=groups.Kafka(servers=kafka),
        cassandra=groups.Cassandra(contact_points=(host,), port=port, keyspace=f"one_{uuid.uuid4().hex[:8]}"),
        redis=groups.Redis(host=redis_address[0], port=redis_address[1]),
        edge=groups.Edge(port=0, push_port=0),
        tokens=groups.Tokens(keys=str(tmp_path / PUBLIC)),
        health=groups.Health(port=0),
    )
    ends = (f"{prefix}ingest", f"{prefix}outcomes")
    apply([change for change in plan(topology, made) if change.topic in ends], made)
    asyncio.run(apply_schema(made))
    return made


def publish(settings: Settings, id_: str) -> RawRecord:
    """Publish an event on the real `ingest`; its record, read back."""
    sent = outgoing(EVENT, binary=False, fresh_id=id_, now=datetime.now(UTC).isoformat())
    topic = f"{settings.topic_prefix}ingest"
    publisher = Publisher(settings.kafka.servers)
    try:
        partition, offset = publisher.publish_sync(topic, sent.key, sent.value, sent.headers)
    finally:
        publisher.close()
    return next(read_partition(settings.kafka.servers, topic, partition, offset, offset + 1))


async def device(stack: AsyncExitStack, settings: Settings, edge: Running, name: str) -> DeviceClient:
    """A device that is registered; its type is its name."""
    private = Path(settings.tokens.keys).parent / PRIVATE
    token = issue(private, settings.tokens, name, ACCOUNT, name, 600)
    client = await stack.enter_async_context(DeviceClient(f"http://127.0.0.1:{edge.port}", name, token))
    await client.register(name, "2.0")
    return client


async def follow(settings: Settings, topology: Topology, passed: Passed) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send the event past a television that is on and a phone that is off, which then asks; the item of each.

    An event before it makes the account known: the first of all finds no head, and is read from the inbox.
    """
    before, record = publish(settings, "e-0"), publish(settings, "e-1")
    ingest = f"{settings.topic_prefix}ingest"
    partition = partition_for(ACCOUNT.encode(), topology.partitions)
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE):
        road, edge = await stack.enter_async_context(one_process(settings, topology, partition))
        tv = await device(stack, settings, edge, "tv")
        await road.travel(ingest, before)
        phone = await device(stack, settings, edge, "phone")
        frames = aiter(await stack.enter_async_context(tv.connect()))
        while (await anext(frames))["type"] != "sync_end":
            pass
        road.outcomes.clear()
        passed.watching = True
        await road.travel(ingest, record)
        pushed = (await anext(frames))["item"]
        pulled = (await phone.pull()).items
        passed.watching = False
    assert [(o.kind, sorted(o.devices)) for o in road.outcomes] == [("stored", ["phone", "tv"]), ("pushed", ["tv"])]
    assert len(pulled) == 1
    return pushed, pulled[0]


def nothing_native(records: Sequence[Record], partition: int, clock: int) -> tuple[list[Accepted], list[Left]]:
    """In the place of the native part."""
    return [], [(record, max(clock, record.timestamp)) for record in records]


def test_the_page_names_every_module_that_an_event_passes(
    settings: Settings, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a real event that goes from `ingest` to a device that is on and to one that is off and asks: Python's way."""
    monkeypatch.setattr("agents.route.taker", lambda rules: nothing_native)
    passed = Passed()
    with profiled(passed):
        pushed, pulled = asyncio.run(follow(settings, topology, passed))
    assert pushed["events"] == pulled["events"] == ["e-1"]
    assert pushed["id"] == pulled["id"]
    assert pushed["data"] == pulled["data"] == {"plan": "premium"}
    assert list(passed.modules) == listed(), passed.modules
    assert len(listed()) <= MOST
