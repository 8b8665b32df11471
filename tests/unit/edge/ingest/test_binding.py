"""CloudEvents over HTTP: the three modes, and what is refused of each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from edge.ingest import binding
from edge.ingest.binding import BadBatch, UnknownFormat
from streams.event import BadEvent, Event

EVENT: dict[str, Any] = {
    "specversion": "1.0", "id": "e-1", "source": "/billing", "type": "member.plan.changed", "subject": "alice",
    "time": "2026-11-25T02:21:45Z",
}  # fmt: skip
HEADERS = [(f"ce-{name}", str(value)) for name, value in EVENT.items()]


@pytest.mark.parametrize(
    ("content_type", "names", "mode"),
    [
        ("application/cloudevents+json", (), "structured"),
        ("Application/CloudEvents+JSON; charset=UTF-8", ("ce-id",), "structured"),
        ("application/cloudevents-batch+json", (), "batch"),
        ("application/json", ("Host", "Ce-Id"), "binary"),
        ("", ("ce-id",), "binary"),
    ],
)
def test_the_mode_is_told_by_the_content_type(content_type: str, names: tuple[str, ...], mode: str) -> None:
    """And binary by the headers."""
    assert binding.mode_of(content_type, names) == mode


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json", "", "application/cloudevents", "application/cloudevents+avro",
        "application/cloudevents-batch+xml", 'application/cloudevents+json; charset="utf-16"',
    ],
)  # fmt: skip
def test_other_formats_are_refused(content_type: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(UnknownFormat, match="cloudevents"):
        binding.mode_of(content_type, ("host",))


def test_a_structured_event_goes_on_as_it_is() -> None:
    """Byte by byte, under its account."""
    body = json.dumps({**EVENT, "data": {"plan": "premium"}, "comment": "kept"}).encode()
    found = binding.structured(body)
    assert (found.key, found.value, found.id, found.source) == (b"alice", body, "e-1", "/billing")
    assert found.headers == [("content-type", b"application/cloudevents+json")]
    assert isinstance(found.event, Event)
    assert found.size == len(body) + len("content-type") + len("application/cloudevents+json")


def test_a_binary_event_becomes_one_of_kafka() -> None:
    """`ce-` headers become `ce_` headers; those of HTTP stay behind."""
    headers = [*HEADERS, ("Host", "edge"), ("ce-comment", "kept")]
    found = binding.binary("application/json", headers, b'{"plan":"premium"}')
    assert dict(found.headers)["ce_comment"] == b"kept"
    assert dict(found.headers)["content-type"] == b"application/json"
    assert "ce_host" not in dict(found.headers)
    assert isinstance(found.event, Event)
    assert (found.key, found.event.payload, found.id) == (b"alice", b'{"plan":"premium"}', "e-1")


def test_an_event_without_data_has_no_value() -> None:
    """Nor a content type."""
    found = binding.binary("", HEADERS, b"")
    assert found.value is None
    assert isinstance(found.event, Event)
    assert "content-type" not in dict(found.headers)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("caf%C3%A9", "café"), ("100%25", "100%"), ('"a b"', "a b"), (r'"say \"hi\""', 'say "hi"'), ("%zz", "%zz"),
        ('"', '"'), ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
    ],
)  # fmt: skip
def test_header_values_are_decoded_once(value: str, text: str) -> None:
    """Quotes first, then percent signs."""
    found = binding.binary("", [*HEADERS, ("ce-note", value)], b"")
    assert dict(found.headers)["ce_note"].decode() == text


@pytest.mark.parametrize(
    ("header", "value"),
    [("ce-id", "again"), ("ce-a_b", "x"), ("ce-", "x"), ("ce-note", "%ff"), ("ce-note", "\udcff")],
)
def test_headers_that_are_no_attributes_are_refused(header: str, value: str) -> None:
    """With the reason that the router would give."""
    found = binding.binary("", [*HEADERS, (header, value)], b"")
    assert isinstance(found.event, BadEvent)
    assert found.event.reason == "bad-attribute"


def test_a_content_type_that_is_no_text_is_refused() -> None:
    """As the router would refuse those bytes."""
    found = binding.binary("text/plain\udcff", HEADERS, b"x")
    assert ("content-type", b"text/plain\xff") in found.headers
    assert isinstance(found.event, BadEvent)
    assert found.event.reason == "undecodable"


def test_a_batch_is_an_array() -> None:
    """Of whatever; each of them is looked at by itself."""
    assert binding.split(b'[{"id":"1"}, 2]') == [b'{"id":"1"}', b"2"]
    assert binding.split(b"[]") == []
    for body in (b"", b"{}", b"[", b"\xff", b"[" * 10_000):
        with pytest.raises(BadBatch, match="array"):
            binding.split(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "undecodable"), (b"[]", "undecodable"), (b'{"id":7}', "undecodable"), (b"\xff", "undecodable"),
        (b"{}", "bad-attribute"), (b'{"specversion":"1.0"}', "no-account"),
        (json.dumps({**EVENT, "time": "yesterday"}).encode(), "bad-attribute"),
    ],
)  # fmt: skip
def test_what_is_no_event_says_why(body: bytes, reason: str) -> None:
    """In the words of the dead letters."""
    found = binding.structured(body).event
    assert isinstance(found, BadEvent)
    assert found.reason == reason


def test_a_binary_event_without_an_account_says_so() -> None:
    """It has no key."""
    found = binding.binary("", [("ce-specversion", "1.0"), ("ce-id", "e-1")], b"")
    assert found.key is None
    assert isinstance(found.event, BadEvent)
    assert found.event.reason == "no-account"


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


@given(id_=TEXTS, note=TEXTS, data=st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=3))
def test_what_the_library_of_cloudevents_sends_is_read(id_: str, note: str, data: dict[str, Any]) -> None:
    """The SDK is the oracle: both modes give the event that was meant."""
    attributes = {
        "id": id_, "source": "/billing", "type": "member.plan.changed", "subject": "alice", "note": note,
        "specversion": "1.0", "datacontenttype": "application/json",
    }  # fmt: skip
    event = CloudEvent(attributes={**attributes, **_time()}, data=data)
    sent = to_binary(event, JSONFormat())
    content_type = next(value for name, value in sent.headers.items() if name.lower() == "content-type")
    found = binding.binary(content_type, list(sent.headers.items()), _bytes(sent.body))
    assert isinstance(found.event, Event)
    assert (found.event.id, dict(found.headers)["ce_note"].decode()) == (id_, note)
    assert json.loads(found.event.payload) == data
    whole = binding.structured(_bytes(to_structured(event, JSONFormat()).body))
    assert isinstance(whole.event, Event)
    assert (whole.event.id, json.loads(whole.event.payload)) == (id_, data)


def _time() -> dict[str, Any]:
    from datetime import UTC, datetime

    return {"time": datetime(2026, 11, 25, 2, 21, 45, tzinfo=UTC)}


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body
