"""Events over HTTP on a real edge: what the answer says is what lies in Kafka."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from deploy.local.servers import Running as Servers
from edge.auth.callers import Producer, digest, fresh_token, put
from streams.cloudevents import decode
from streams.settings import Ingest, Settings
from streams.topology import Topology
from streams.transport.client import RawRecord, partition_for, read_partition
from tests.integration.edge.conftest import House, Houses, until
from tests.unit.fakes import ROOT

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
TYPE = "member.plan.changed"


class Answered(NamedTuple):
    """A response."""

    status: int
    body: dict[str, Any]
    headers: Any

    @property
    def problem(self) -> str:
        """The end of its type."""
        return str(self.body.get("type", "")).rpartition(":")[2]


def producer(settings: Settings, types: tuple[str, ...] = ("*",), **limits: float) -> str:
    """The token of a new producer; an edge that starts from now on knows it."""
    token = fresh_token("producer")
    made = Producer(name=token[-8:].strip("-_") + "x", tokens=(digest(token),), types=types, **limits)
    put(Path(settings.ingest.callers), made)
    return token


def event(house: House, id_: str, **attributes: Any) -> dict[str, Any]:
    """An event of the house's account."""
    return {
        "specversion": "1.0", "id": id_, "source": "/test", "type": TYPE, "subject": house.account,
        "time": datetime.now(UTC).isoformat(), "data": {"plan": "premium"}, **attributes,
    }  # fmt: skip


async def post(house: House, token: str, body: bytes | object, content_type: str = "", **headers: str) -> Answered:
    """Post a body; objects are sent as JSON."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type:
        headers["Content-Type"] = content_type
    data = BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    async with house.http.post(
        f"{house.base}/v1/events", data=data, headers={"Authorization": f"Bearer {token}", **headers}
    ) as response:
        return Answered(response.status, await response.json(content_type=None), response.headers)


def published(house: House) -> Iterator[RawRecord]:
    """What lies in `ingest` for the house's account."""
    partition = partition_for(house.account.encode(), house.topology.partitions)
    topic = house.settings.topic_prefix + "ingest"
    for record in read_partition(house.settings.kafka.servers, topic, partition, 0):
        if record.key == house.account.encode():
            yield record


@pytest.fixture
async def shop(houses: Houses, base_settings: Settings) -> tuple[House, str]:
    """An edge, and the token of a producer that may publish anything."""
    token = producer(base_settings)
    return await houses.open(), token


async def test_each_mode_ends_as_the_event_that_was_meant(shop: tuple[House, str]) -> None:
    """On the partition and at the offset that the answer names."""
    house, token = shop
    binary = {f"ce-{name}": str(value) for name, value in event(house, "binary").items() if name != "data"}
    answers = [
        await post(house, token, event(house, "structured"), STRUCTURED),
        await post(house, token, b'{"plan":"premium"}', "application/json", **binary),
        await post(house, token, [event(house, "first"), event(house, "second")], BATCH),
    ]
    assert [answered.status for answered in answers] == [202] * 3
    results = [result for answered in answers for result in answered.body["results"]]
    assert [result["id"] for result in results] == ["structured", "binary", "first", "second"]
    records = list(published(house))
    assert [result["offset"] for result in results] == [record.offset for record in records]
    found = [decode(record.key, record.value, record.headers) for record in records]
    assert [one.id for one in found] == [result["id"] for result in results]
    assert all(one.account == house.account and json.loads(one.payload) == {"plan": "premium"} for one in found)


async def test_a_batch_has_a_result_for_each_event(shop: tuple[House, str]) -> None:
    """The bad ones are told why and are not published; their neighbours are, in their order."""
    house, token = shop
    tomorrow = datetime.fromtimestamp(time.time() + 86_400, UTC).isoformat()
    batch: list[Any] = [
        event(house, "good"), 7, event(house, "unknown", type="no.such.type"), event(house, "future", time=tomorrow),
        event(house, "large", data="x" * 20_000), event(house, "nobody", subject=""),
        event(house, "toaster", devicetypes="toaster"), event(house, "last"),
    ]  # fmt: skip
    answered = await post(house, token, batch, BATCH)
    assert answered.status == 207
    told = [(result["status"], result.get("type", "").rpartition(":")[2] or "-") for result in answered.body["results"]]
    assert told == [
        (202, "-"), (400, "event-undecodable"), (400, "event-unknown-type"), (400, "event-future-dated"),
        (413, "event-oversized"), (400, "event-no-account"), (400, "event-bad-attribute"), (202, "-"),
    ]  # fmt: skip
    assert [decode(one.key, one.value, one.headers).id for one in published(house)] == ["good", "last"]
    answered = await post(house, token, batch[2], STRUCTURED)
    assert (answered.status, answered.problem) == (400, "event-unknown-type")


async def test_an_edge_that_is_told_to_refuses_payloads_against_their_schema(
    base_settings: Settings, topology: Topology
) -> None:
    """In each mode, with the place of what is wrong; neighbours are published, and nothing is judged by default."""
    token = producer(base_settings)
    strict = msgspec.structs.replace(base_settings.ingest, schemas="enforce")
    settings = msgspec.structs.replace(base_settings, ingest=strict, topology=str(ROOT / "topics.yaml"))
    async with Houses(settings, topology) as houses:
        house = await houses.open()
        bad = event(house, "bad", data={"plan": 7})
        answered = await post(house, token, [event(house, "good"), bad, event(house, "last")], BATCH)
        assert [result["status"] for result in answered.body["results"]] == [202, 400, 202]
        told = answered.body["results"][1]
        assert (told["type"].rpartition(":")[2], told["detail"]) == (
            "event-bad-data",
            'data.plan: 7 is not of type "string"',
        )
        binary = {f"ce-{name}": str(value) for name, value in event(house, "binary").items() if name != "data"}
        answered = await post(house, token, b"premium", "text/plain", **binary)
        assert (answered.status, answered.problem) == (400, "event-bad-data")
        assert [decode(one.key, one.value, one.headers).id for one in published(house)] == ["good", "last"]
    async with Houses(base_settings, topology) as houses:
        house = await houses.open()
        assert (await post(house, token, event(house, "bad", data={"plan": 7}), STRUCTURED)).status == 202


@pytest.mark.parametrize(
    ("body", "content_type", "status", "name"),
    [
        (b"{}", "application/json", 415, "unsupported-media-type"),
        (b"{}", "application/cloudevents+avro", 415, "unsupported-media-type"),
        (b"{", STRUCTURED, 400, "event-undecodable"),
        (b"", STRUCTURED, 400, "event-undecodable"),
        (b"{}", BATCH, 400, "malformed-body"),
        (b"[" + b"{}," * 500 + b"{}]", BATCH, 413, "batch-too-large"),
        (b" " * (16 * 1024 + 1), STRUCTURED, 413, "body-too-large"),
        (b" " * (1024 * 1024 + 1), BATCH, 413, "body-too-large"),
    ],
)
async def test_requests_that_are_refused(
    shop: tuple[House, str], body: bytes, content_type: str, status: int, name: str
) -> None:
    """As a problem; nothing is published, and the connection goes on."""
    house, token = shop
    answered = await post(house, token, body, content_type)
    assert (answered.status, answered.problem) == (status, name)
    assert answered.headers["Content-Type"].startswith("application/problem+json")
    assert not list(published(house))
    assert (await post(house, token, event(house, "after"), STRUCTURED)).status == 202


async def test_compressed_bodies_count_by_what_they_hold(shop: tuple[House, str]) -> None:
    """A body of a few bytes that becomes megabytes is refused; one that is not what it says, too."""
    house, token = shop
    small = gzip.compress(json.dumps(event(house, "gzip")).encode())
    assert (await post(house, token, small, STRUCTURED, Content_Encoding="gzip")).status == 202
    bomb = gzip.compress(b" " * 50_000_000)
    assert (await post(house, token, bomb, STRUCTURED, Content_Encoding="gzip")).status == 413
    assert (await post(house, token, b"no gzip at all", STRUCTURED, Content_Encoding="gzip")).status == 400


async def test_who_may_publish_what(houses: Houses, base_settings: Settings) -> None:
    """A producer's own types; neither a device's token nor none is a producer's."""
    token = producer(base_settings, types=("member.plan.*",))
    house = await houses.open()
    batch = [event(house, "mine"), event(house, "yours", type="member.profile.changed")]
    answered = await post(house, token, batch, BATCH)
    assert [result["status"] for result in answered.body["results"]] == [202, 403]
    assert answered.body["results"][1]["type"].endswith(":type-not-allowed")
    for bad in (house.token("tv-1"), "", token + "x"):
        answered = await post(house, bad, batch, BATCH)
        assert (answered.status, answered.problem) == (401, "bad-token")
        assert answered.headers["WWW-Authenticate"] == "Bearer"


async def test_a_producer_has_its_rate(houses: Houses, base_settings: Settings) -> None:
    """429 and when to come back; then it is taken. Another producer notices nothing."""
    slow, other = producer(base_settings, rate=2, burst=2), producer(base_settings)
    house = await houses.open()
    batch = [event(house, f"e-{number}") for number in range(3)]
    assert (await post(house, slow, batch, BATCH)).status == 202
    answered = await post(house, slow, event(house, "late"), STRUCTURED)
    assert (answered.status, answered.problem) == (429, "too-many-events")
    assert (await post(house, other, event(house, "other"), STRUCTURED)).status == 202
    await asyncio.sleep(int(answered.headers["Retry-After"]))
    assert (await post(house, slow, event(house, "late"), STRUCTURED)).status == 202
    assert [decode(one.key, one.value, one.headers).id for one in published(house)][-1] == "late"


async def test_while_kafka_is_away_nothing_is_taken_and_nothing_is_lost(
    servers: Servers, base_settings: Settings, topology: Topology
) -> None:
    """503 with Retry-After, at once where too many wait already; what was answered 202 lies there."""
    token = producer(base_settings)
    impatient = Ingest(callers=base_settings.ingest.callers, timeout=1.5, in_flight=3)
    async with Houses(msgspec.structs.replace(base_settings, ingest=impatient), topology) as houses:
        house = await houses.open()
        batch = [event(house, "before")]

        async def taken() -> bool:
            return (await post(house, token, batch, BATCH)).status == 202

        await until(taken, "the edge has met Kafka")
        servers.pause("kafka")
        try:
            batch = [event(house, f"e-{number}") for number in range(2)]
            answered = await post(house, token, batch, BATCH)
            assert (answered.status, answered.problem) == (503, "unavailable")
            assert int(answered.headers["Retry-After"]) > 0
            answered = await post(house, token, batch, BATCH)
            assert (answered.status, answered.problem) == (503, "overloaded")
        finally:
            servers.resume("kafka")
        await until(taken, "Kafka takes events again")
        ids = [decode(one.key, one.value, one.headers).id for one in published(house)]
        assert ids[0] == "before"
        assert set(ids) == {"before", "e-0", "e-1"}


async def test_a_body_that_never_ends_is_given_up(shop: tuple[House, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """408; others go on meanwhile."""
    monkeypatch.setattr("edge.bodies.BODY_S", 0.3)
    house, token = shop
    reader, writer = await asyncio.open_connection("127.0.0.1", house.edge.port)
    writer.write(
        f"POST /v1/events HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {STRUCTURED}\r\nContent-Length: 100\r\n\r\n{{".encode()
    )
    assert (await post(house, token, event(house, "other"), STRUCTURED)).status == 202
    assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 408 ")
    writer.close()
