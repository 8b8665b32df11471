"""The schemas of event types: those as shipped, files that are none, and payloads judged by them."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.demo.scenario import steps
from streams.check import DEFAULT
from streams.cloudevents import decode
from streams.event import Event
from streams.event_schemas import BadSchemas, Payloads, read_directory, read_schema, read_schemas, refusals
from streams.topology import Topology
from tests.unit.fakes import ROOT, shipped_topology
from tests.unit.streams.test_compat import counterexample, pair

TOPOLOGY = shipped_topology()
TYPES = {type_ for case in TOPOLOGY.use_cases.values() for type_ in case.types}
SHIPPED = read_schemas(TOPOLOGY, str(ROOT / DEFAULT))
PLAN = "member.plan.changed"


def event(payload: bytes, type_: str = PLAN, content_type: str = "application/json") -> Event:
    """An event with a payload."""
    return Event("alice", "/s", "1", type_, 0, content_type, payload)


def test_every_type_as_shipped_has_a_schema() -> None:
    """That says its dialect, its meaning, and is closed, so that members may be added to it."""
    assert set(SHIPPED) == TYPES
    for schema in SHIPPED.values():
        assert isinstance(schema, dict)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["title"]
        assert schema["description"]
        assert schema["additionalProperties"] is False


def test_what_the_demo_publishes_is_as_the_schemas_say() -> None:
    """But for the events that are meant to be bad or too old."""
    payloads = Payloads(SHIPPED)
    judged = 0
    for step in (one for first in steps(datetime.now(UTC)) for one in (first, *first.more)):
        if step.raw is None and step.outcome != "stale":
            headers = [("content-type", b"application/cloudevents+json")]
            assert payloads.problem(decode(step.attributes["subject"].encode(), step.value(), headers)) is None
            judged += 1
    assert judged > 10


def test_what_the_page_of_producers_publishes_is_as_the_schemas_say() -> None:
    """Its examples are copied."""
    page = (ROOT / "docs" / "producers.md").read_text()
    found = re.findall(r'(?:-d |--data |"data": )\'?(\{"plan".*?\})', page)
    assert len(found) >= 4
    assert [Payloads(SHIPPED).problem(event(text.encode())) for text in found] == [None] * len(found)


@pytest.mark.parametrize(
    ("payload", "content_type", "says"),
    [
        (b'{"plan":"premium"}', "application/json; charset=utf-8", None),
        (b'{"plan":"gold"}', "application/json", 'data.plan: "gold" is not one of "basic", "standard" or "premium"'),
        (b"{}", "application/vnd.plan+json", 'data: "plan" is a required property'),
        (b'{"plan":"basic","x":1}', "application/json", "data: Additional properties are not allowed ('x' was"),
        (b"", "", 'data: null is not of type "object"'),
        (b"premium", "text/plain", "the payload is text/plain, and member.plan.changed has a schema of JSON"),
        (b"{", "application/json", "the payload cannot be read: Input data was truncated"),
        (b"[" * 5000 + b"]" * 5000, "application/json", "the payload cannot be read: maximum recursion depth"),
    ],
)
def test_a_payload_is_judged(payload: bytes, content_type: str, says: str | None) -> None:
    """What is wrong is told with its place."""
    found = Payloads(SHIPPED).problem(event(payload, content_type=content_type))
    assert found == says or (found is not None and says is not None and found.startswith(says))


def test_what_is_told_is_short() -> None:
    """However long the payload is."""
    found = Payloads(SHIPPED).problem(event(json.dumps({"plan": "x" * 10_000}).encode()))
    assert found is not None
    assert len(found) == 200


def test_places_in_lists_are_told() -> None:
    """By their number."""
    wrong = event(b'{"titles":{"added":[1,null]}}', "member.list.changed")
    assert str(Payloads(SHIPPED).problem(wrong)).startswith("data.titles.added[1]: null is not of types")


def test_a_type_without_a_schema_may_hold_anything() -> None:
    """Bytes too."""
    assert Payloads({}).problem(event(b"\xff", content_type="image/png")) is None
    assert Payloads({PLAN: True}).problem(event(b"7")) is None


BAD: dict[str, tuple[str, str]] = {
    "no-json": ("{", "no JSON Schema: Input data was truncated"),
    "no-schema": ("[]", "no JSON Schema: Expected `bool | object`"),
    "deep": ('{"items":' * 400 + "true" + "}" * 400, "no JSON Schema: Recursion limit reached"),
    "type": ('{"type":"objec"}', 'no JSON Schema 2020-12.type: "objec" is not valid under any'),
    "place": ('{"properties":{"a":{"enum":7}}}', 'no JSON Schema 2020-12.properties.a.enum: 7 is not of type "array"'),
    "reference": ('{"$ref":"#/$defs/no"}', "no JSON Schema 2020-12: Pointer '/$defs/no' does not exist"),
    "remote": ('{"$ref":"http://192.0.2.1/x"}', "no JSON Schema 2020-12: Resource 'http://192.0.2.1/x'"),
    "pattern": ('{"pattern":"(?=a)b"}', 'no JSON Schema 2020-12.pattern: "(?=a)b" is not a "regex"'),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_a_file_that_is_no_schema_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """Nothing is fetched, and no pattern is taken whose time grows faster than the text."""
    file = tmp_path / f"{PLAN}.json"
    file.write_text(text)
    with pytest.raises(BadSchemas) as caught:
        read_schema(file)
    assert str(caught.value).startswith(f"{file}: {says}")
    with pytest.raises(BadSchemas):
        read_directory(tmp_path)


def at(directory: str | None) -> Topology:
    """The shipped topology with another directory of schemas."""
    return msgspec.structs.replace(TOPOLOGY, schemas=directory)


def test_every_bad_file_of_a_directory_is_told(tmp_path: Path) -> None:
    """And a schema of no event type, with the name that was meant; other files are passed over."""
    topics = tmp_path / "topics.yaml"
    topics.write_text("")
    schemas = tmp_path / "mine"
    schemas.mkdir()
    (schemas / "member.plan.chnged.json").write_text("{}")
    (schemas / "member.list.changed.json").write_text("{")
    (schemas / "README.md").write_text("about")
    with pytest.raises(BadSchemas) as caught:
        read_schemas(at("mine"), str(topics))
    assert str(caught.value).splitlines() == [
        f"{schemas}/member.list.changed.json: no JSON Schema: Input data was truncated",
        f"{schemas}/member.plan.chnged.json: no event type 'member.plan.chnged' (did you mean 'member.plan.changed'?) "
        "in any use case",
    ]
    with pytest.raises(BadSchemas, match="/none: no such directory"):
        read_schemas(at("none"), str(topics))
    assert read_schemas(at(None), str(topics)) == {}


def test_without_a_file_the_schemas_of_the_package_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its topology is."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / f"{PLAN}.json").write_text("true")
    monkeypatch.setattr("streams.event_schemas.resources.files", lambda _: tmp_path)
    assert read_schemas(TOPOLOGY, "nowhere.yaml") == {PLAN: True}


WORDS: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_what_the_library_proves_is_no_refusal() -> None:
    """One more choice is wider, though the comparison cannot follow it; one less is not, nor is another format."""
    more = {"anyOf": [*WORDS["anyOf"], {"type": "integer"}]}
    assert refusals(WORDS, more) == []
    assert list(map(str, refusals(more, WORDS))) == ["data: anyOf cannot be compared"]
    assert refusals({"type": "string"}, {"type": "string", "format": "date"})
    assert refusals({"$ref": "#"}, {"type": "string"})


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**64))
def test_what_is_no_refusal_takes_every_old_value(seed: int) -> None:
    """Whatever the schemas are."""
    chance = random.Random(seed)
    old, new = pair(chance)
    if not refusals(old, new):
        assert counterexample(old, new, chance, 30) is None


def test_the_topics_page_shows_a_real_schema() -> None:
    """The example is a schema, and good for what is said of it."""
    page = (ROOT / "docs" / "topics-yaml.md").read_text()
    found: list[Any] = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    payloads = Payloads({PLAN: found[0]})
    assert payloads.problem(event(b'{"file":"a"}')) is None
    assert payloads.problem(event(b'{"files":1}')) is not None
