"""docs/asyncapi.json: the parser of AsyncAPI reads it, and what a real edge and a real Kafka carry is as it says."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.contracts.asyncapi import SOCKET
from streams.settings import Settings
from streams.transport.client import RawRecord, partition_for, read_partition
from tests import node
from tests.asyncapi import DOCUMENT, MESSAGES, check_frame, check_headers, check_payload
from tests.integration.edge.conftest import House, Houses, Socket, seq_of, until
from tests.integration.edge.test_ingest import STRUCTURED, event, post, producer, published
from tests.unit.fakes import ROOT

PROJECT = Path(__file__).with_name("asyncapi")
CLOSE_CODES = {(each["code"], each["name"]) for each in DOCUMENT["channels"]["socket"]["x-close-codes"]}


def test_the_parser_reads_it() -> None:
    """Without an error or a warning (severities 0 and 1); it finds every message and operation."""
    node.installed(PROJECT)
    command = ["node", "parse.mjs", str(ROOT / "docs" / "asyncapi.json")]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=120)
    read = json.loads(ran.stdout)
    assert [found for found in read["diagnostics"] if found["severity"] <= 1] == []
    assert set(read["messages"]) == set(MESSAGES)
    assert {name: read["operations"][name]["action"] for name in SOCKET} == {
        name: said.action for name, said in SOCKET.items()
    }
    assert {each["channel"] for each in read["operations"].values()} == {
        "/v1/socket", "ingest", "outcomes", "dead-letters",
    }  # fmt: skip


def test_the_parser_refuses_a_broken_document(tmp_path: Path) -> None:
    """The check above can fail."""
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({**DOCUMENT, "operations": {"x": {"action": "shout", "channel": {"$ref": "#/no"}}}}))
    node.installed(PROJECT)
    command = ["node", "parse.mjs", str(broken)]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=120)
    assert [found for found in json.loads(ran.stdout)["diagnostics"] if found["severity"] == 0]


def test_the_lock_file_of_the_parser_names_no_address() -> None:
    """The registry is the user's."""
    node.check_lock(PROJECT)


async def say(socket: Socket, **message: Any) -> str:
    """Send a message that the document allows."""
    name = check_frame(message)
    await socket.send(**message)
    return name


async def test_the_frames_of_a_session_are_those_of_the_document(houses: Houses, house: House) -> None:
    """From the hello to the drain of the edge: every message of the socket is met, in both directions."""
    met = set()
    await house.store(0, 1)
    async with house.socket() as tv:
        met.add(await say(tv, type="hello", token=house.token("tv-1"), cursor=""))
        met |= {check_frame(await tv.recv()) for _ in ("welcome", "notification", "sync_end")}
        assert await house.push(house.note(0, seq_of(1), 2, ("tv-1",))) == [200]
        live = await tv.recv()
        met.add(check_frame(live))
        met.add(await say(tv, type="ack", cursor=live["item"]["cursor"], codes={live["item"]["id"]: "ignored"}))
        met.add(await say(tv, type="ping"))
        met.add(check_frame(await tv.recv()))
        await house.store(0, 3)
        assert await house.push(house.note(0, seq_of(4), 5, ("tv-1",))) == [503]
        met |= {check_frame(await tv.recv()) for _ in ("sync", "notification", "sync_end")}
        async with house.socket() as stranger:
            await say(stranger, type="hello", token="x")
            code, frames = await stranger.closed()
            met |= {check_frame(frame) for frame in frames}
        closing = asyncio.ensure_future(houses.close_edge(house))
        end, frames = await tv.closed()
        met |= {check_frame(frame) for frame in frames}
        await closing
    assert met == set(SOCKET)
    assert {(code, "bad-token"), (end, "going-away")} <= CLOSE_CODES
    assert (frames[-1]["code"], frames[-1]["error"]) in CLOSE_CODES


@pytest.mark.parametrize("raw", [b"\x00", "x" * 20_000, '{"type":"what"}'], ids=["binary", "large", "unknown"])
async def test_refusals_have_the_codes_of_the_document(house: House, raw: bytes | str) -> None:
    """Of frames, and of messages."""
    async with house.socket() as bad:
        await bad.connection.send(raw)
        code, frames = await bad.closed()
        assert [check_frame(frame) for frame in frames] == ["error"]
        assert (code, frames[0]["error"]) in CLOSE_CODES


async def test_events_lie_in_kafka_as_the_document_says(houses: Houses, base_settings: Settings) -> None:
    """Structured and binary: headers, payload, key and partition."""
    token = producer(base_settings)
    house = await houses.open()
    more = {"version": 7, "devicetypes": "tv", "collapsekey": "plan", "datacontenttype": "application/json"}
    await post(house, token, event(house, "structured", **more), STRUCTURED)
    attributes = event(house, "binary", **more)
    del attributes["data"], attributes["datacontenttype"]
    binary = {f"ce-{name}": str(value) for name, value in attributes.items()}
    await post(house, token, b'{"plan":"premium"}', "application/json", **binary)
    structured, plain = published(house)
    check_headers("structured-event", structured.headers)
    check_payload("structured-event", json.loads(structured.value or b""))
    check_headers("binary-event", plain.headers)
    assert {header for header, _ in plain.headers} >= {"ce_version", "ce_devicetypes", "content-type"}


def outcomes(house: House) -> Iterator[RawRecord]:
    """What lies in `outcomes` for the house's account."""
    partition = partition_for(
        house.account.encode(), DOCUMENT["channels"]["outcomes"]["bindings"]["kafka"]["partitions"]
    )
    topic = house.settings.topic_prefix + "outcomes"
    for record in read_partition(house.settings.kafka.servers, topic, partition, 0):
        if record.key == house.account.encode():
            yield record


async def test_outcomes_lie_in_kafka_as_the_document_says(house: House) -> None:
    """What a device acked, on the partition of its account."""
    await house.store(0, 1)
    async with house.hello("tv-1") as tv:
        await tv.recv()
        _, cursor = await tv.until_synced()
        await tv.send(type="ack", cursor=cursor)
        await until(lambda: any(outcomes(house)), "the ack is reported")
    for record in outcomes(house):
        assert not record.headers
        check_payload("outcome-batch", msgspec.msgpack.decode(record.value or b""))
