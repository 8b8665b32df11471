"""What providers carry: JSON that every reader takes, whatever the payload."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.content import SYNC, message, timestamp
from streams.envelope import notification_id
from tests.unit.fakes import NOW, TOPIC_ID, at
from tests.unit.sinks.make import push


def _read(limit: int = 4096, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message(push(1, **changes), "high", limit))
    return found


def test_a_message_is_the_notification() -> None:
    """As a pull would show it, without a cursor."""
    assert _read(time=NOW, expires=NOW) == {
        "id": notification_id(at(1), 0, TOPIC_ID).hex(),
        "type": "member.plan.changed",
        "time": "2027-01-15T08:00:00.000Z",
        "expires": "2027-01-15T08:00:00.000Z",
        "lane": "high",
        "events": ["event-1"],
        "datacontenttype": "application/json",
        "data": {"plan": "family"},
    }


@given(st.binary(min_size=1, max_size=100))
def test_a_payload_that_is_no_json_is_base64(payload: bytes) -> None:
    """And comes back byte by byte."""
    assert base64.b64decode(_read(content_type="image/png", payload=payload)["data_base64"]) == payload


def test_no_payload_is_null() -> None:
    """Whatever its type was."""
    assert _read(payload=b"")["data"] is None


def test_what_is_too_large_or_not_wanted_is_a_wake_up() -> None:
    """The limit is exact."""
    size = len(message(push(1), "high", 4096))
    assert message(push(1), "high", size) is not SYNC
    assert message(push(1), "high", size - 1) is SYNC
    assert message(push(1, wake="sync"), "high", 4096) is SYNC
    assert json.loads(SYNC) == {"sync": True}


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1 << 62, "9999-12-31T00:00:00.000Z"),
        (-(1 << 62), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_any_number_of_ms_is_a_time(ms: int, text: str) -> None:
    """Out of range is the nearest that can be written."""
    assert timestamp(ms) == text
