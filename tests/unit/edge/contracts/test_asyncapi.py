"""The AsyncAPI document: every message and topic is in it, and it says what the code and the pages say."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec
import pytest
from jsonschema_rs import ValidationError, meta, validator_for

from edge.contracts import asyncapi, contract
from edge.contracts.asyncapi_kafka import UndescribedTopic, kafka_channels
from edge.sockets import messages
from streams.check import DEFAULT, load_file
from streams.deadletters import Done, Identity, Origin, dead_letter, done
from streams.outcomes import KINDS, Outcome, encode_outcomes
from streams.topology import TopicSpec
from tests.unit.fakes import ROOT

TOPOLOGY = load_file(str(ROOT / DEFAULT), handlers=False)
DOCUMENT = asyncapi.document(TOPOLOGY)
DIALECT = "http://json-schema.org/draft-07/schema#"


def test_every_message_is_described() -> None:
    """Those that the edge can read, and those that it can say."""
    types = {*get_args(messages.Message), *get_args(messages.Told), contract.Notification}
    assert {type(said.example) for said in asyncapi.SOCKET.values()} == types
    for name, said in asyncapi.SOCKET.items():
        assert msgspec.to_builtins(said.example)["type"] == name
        assert set(said.replies) <= set(asyncapi.SOCKET)
        assert (type(said.example) in get_args(messages.Message)) == (said.action == "receive")


def schemas() -> list[dict[str, Any]]:
    """Every schema of the document that is an object."""
    parts = [
        part for each in DOCUMENT["components"]["messages"].values() for part in (each["payload"], each.get("headers"))
    ]
    return [part for part in (*parts, *DOCUMENT["components"]["schemas"].values()) if isinstance(part, dict)]


def test_the_schemas_are_of_draft_7() -> None:
    """Which has no `prefixItems`; every reference leads somewhere."""
    for schema in schemas():
        meta.validate({"$schema": DIALECT, **schema})
    assert "prefixItems" not in str(DOCUMENT)
    for where, name in set(re.findall(r"#/components/(\w+)/([\w-]+)", str(DOCUMENT))):
        assert name in DOCUMENT["components"][where]


def check(schema: dict[str, Any], value: Any) -> None:
    """Raise ValidationError unless the value is as a schema of the document says."""
    whole = {"$schema": DIALECT, "components": DOCUMENT["components"], "allOf": [schema]}
    validator_for(whole).validate(value)


def headers_of(name: str, headers: list[tuple[str, bytes]]) -> None:
    """Raise ValidationError unless a message may have these headers."""
    check(DOCUMENT["components"]["messages"][name]["headers"], {key: value.decode() for key, value in headers})


def test_dead_letters_have_the_headers_that_are_written_down() -> None:
    """And their markers."""
    origin = Origin("ingest", 3, 17, "unknown-type", "no use case", b"topc")
    headers_of("dead-letter", dead_letter(origin, [("content-type", b"x")]))
    headers_of("dead-letter", dead_letter(origin._replace(left_out=3), []))
    headers_of("dead-letter-marker", done(Done(Identity(b"topc", 3, 17), "replayed", "3:18")))
    headers_of("dead-letter-marker", done(Done(Identity(b"topc", 3, 17), "discarded")))
    with pytest.raises(ValidationError):
        headers_of("dead-letter", dead_letter(origin._replace(reason="whim"), []))


def test_outcomes_are_as_written_down() -> None:
    """Of every kind."""
    said = [Outcome(kind, "alice", 1, ("tv",), "because", 0, 1) for kind in KINDS]
    batch = msgspec.msgpack.decode(encode_outcomes("store", 1, said))
    schema = DOCUMENT["components"]["messages"]["outcome-batch"]["payload"]
    check(schema, batch)
    batch[3][0][0] = "lost"
    with pytest.raises(ValidationError):
        check(schema, batch)


def test_every_topic_at_the_edge_is_described() -> None:
    """With the settings that topics.yaml gives it; one without words is refused."""
    at_edge = {name for name, spec in TOPOLOGY.topics.items() if spec.edge}
    assert set(DOCUMENT["channels"]) == {"socket", *at_edge}
    binding = DOCUMENT["channels"]["dead-letters"]["bindings"]["kafka"]
    assert (binding["partitions"], binding["topicConfiguration"]["retention.ms"]) == (8, 14 * 86_400_000)
    assert DOCUMENT["operations"]["read-ingest"]["action"] == "receive"
    strange = TopicSpec(retention="1d", compression="lz4", max_message="1MiB", edge="readers")
    with pytest.raises(UndescribedTopic, match="bills"):
        kafka_channels(msgspec.structs.replace(TOPOLOGY, topics={**TOPOLOGY.topics, "bills": strange}))


def test_the_page_of_devices_has_every_close_code() -> None:
    """With its name, and what the device does then."""
    page = (ROOT / "docs" / "devices.md").read_text()
    for each in messages.CLOSINGS:
        assert f"| {each.code} | `{each.name}` | {each.advice} |\n" in page
