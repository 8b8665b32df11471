"""What `send` publishes is what lockstep reads, in both modes."""

from __future__ import annotations

from typing import Any

import pytest

from edge.ingest.outgoing import SOURCE, BadInput, outgoing
from streams.cloudevents import decode
from streams.event import Event

NOW = "2027-01-15T08:00:00.000Z"
NOW_MS = 1_800_000_000_000


def sent(binary: bool, **attributes: Any) -> Event:
    """The event that lockstep reads from what was sent."""
    made = outgoing({"subject": "zoë", "type": "member.plan.changed", **attributes}, binary, "fresh", NOW)
    return decode(made.key, made.value, made.headers)


@pytest.mark.parametrize("binary", [False, True], ids=["structured", "binary"])
def test_missing_attributes_are_filled_in_and_given_ones_kept(binary: bool) -> None:
    """Id, source and time have values of their own only where none was given."""
    event = sent(binary)
    assert (event.account, event.id, event.source, event.time) == ("zoë", "fresh", SOURCE, NOW_MS)
    event = sent(binary, id="mine", source="/mine", time="2027-01-15T08:00:01Z", version=7, collapsekey="ключ")
    assert (event.id, event.source, event.time) == ("mine", "/mine", NOW_MS + 1000)
    assert (event.revision, event.collapse_key) == (7, "ключ")


@pytest.mark.parametrize("binary", [False, True], ids=["structured", "binary"])
@pytest.mark.parametrize(
    ("given", "payload"),
    [
        ({}, b""),
        ({"data": {"plan": "ä"}}, '{"plan":"ä"}'.encode()),
        ({"data": "text"}, b'"text"'),
        ({"data": "text", "datacontenttype": "text/plain"}, b"text"),
        ({"data_base64": "AAEC", "datacontenttype": "application/octet-stream"}, b"\x00\x01\x02"),
    ],
    ids=["none", "object", "string", "text", "bytes"],
)
def test_payload_is_the_same_in_both_modes(binary: bool, given: dict[str, Any], payload: bytes) -> None:
    """JSON stays JSON, text of another type is itself, base64 becomes bytes."""
    assert sent(binary, **given).payload == payload


def test_number_and_truth_are_attributes_in_binary_mode() -> None:
    """The types of the JSON format have one text form."""
    made = outgoing({"subject": "a", "type": "t", "n": 3, "yes": True, "no": False}, True, "i", NOW)
    assert {("ce_n", b"3"), ("ce_yes", b"true"), ("ce_no", b"false"), ("ce_specversion", b"1.0")} <= set(made.headers)
    assert made.value is None


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"type": "t"}, "no subject"),
        ({"subject": ""}, "no subject"),
        ({"subject": 5}, "no subject"),
        ({"subject": "a", "extra": [1]}, "extra: an attribute is a text"),
        ({"subject": "a", "data_base64": "%"}, "data_base64: "),
        ({"subject": "a", "data_base64": 5}, "data_base64: "),
        ({"subject": "a", "datacontenttype": 5}, "datacontenttype: not a text"),
    ],
)
def test_what_no_record_can_hold_is_refused(attributes: dict[str, Any], message: str) -> None:
    """All else is sent, so that lockstep's own refusals can be seen."""
    with pytest.raises(BadInput, match=message):
        outgoing(attributes, True, "i", NOW)
