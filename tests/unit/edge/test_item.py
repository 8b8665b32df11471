"""Items: JSON that every reader takes, whatever the payload."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge import cursor as cursors
from edge import item
from edge.cursor import Cursor
from edge.item import Filling, Limits, Recipient
from sinks.rows import Notification
from streams.targets import EVERY, Predicate


def row(content_type: str = "application/json", payload: bytes = b'{"a": 1}', **changes: Any) -> Notification:
    """A row of the inbox."""
    fields: dict[str, Any] = {
        "seq": 9,
        "lane": 1,
        "id": bytes(range(16)),
        "type": "member.plan.changed",
        "time": 1_700_000_000_123,
        "expires": 1_700_000_060_000,
        "appended": 0,
        "source": "/plans",
        "events": ("e-1",),
        "target": EVERY,
    }
    return Notification(content_type=content_type, payload=payload, **(fields | changes))


def read(notification: Notification) -> dict[str, Any]:
    """The item as a device parses it."""
    found: dict[str, Any] = json.loads(item.encode_item(notification, "high", b"cursor"))
    return found


def test_an_item_has_the_documented_fields() -> None:
    """In the documented form."""
    assert read(row()) == {
        "id": "000102030405060708090a0b0c0d0e0f",
        "type": "member.plan.changed",
        "time": "2023-11-14T22:13:20.123Z",
        "expires": "2023-11-14T22:14:20.000Z",
        "lane": "high",
        "events": ["e-1"],
        "datacontenttype": "application/json",
        "data": {"a": 1},
        "cursor": "cursor",
    }


@given(st.binary(min_size=1, max_size=100))
def test_a_payload_that_is_no_json_is_base64(payload: bytes) -> None:
    """And comes back byte by byte."""
    found = read(row("image/png", payload))
    assert base64.b64decode(found["data_base64"]) == payload
    assert "data" not in found


def test_no_payload_is_null() -> None:
    """Whatever its type was."""
    assert read(row("", b""))["data"] is None
    assert read(row("image/png", b""))["data"] is None


@given(st.text(max_size=40), st.lists(st.text(max_size=20), max_size=4))
def test_texts_of_producers_are_escaped(text: str, events: list[str]) -> None:
    """Quotes, control characters and all of Unicode."""
    found = read(row(type=text, events=tuple(events), content_type=text + "+json"))
    assert (found["type"], found["events"], found["datacontenttype"]) == (text, events, text + "+json")


NOW = 1_700_000_000_000
START = Cursor(cursors.fingerprint("alice"), NOW // 1000, (0, 0))


def page(*rows: Notification, items: int = 10, size: int = 1 << 20) -> tuple[Filling, bool]:
    """A page for a television, and whether it took all of these rows."""
    filling = Filling(Recipient("tv", 1, 0), START, ("high", "low"), Limits(items, size), NOW)
    return filling, filling.take(rows)


def test_an_item_of_a_page_has_the_cursor_behind_its_row() -> None:
    """Rows for others, and those whose life is over, move it and are not shown."""
    other, over = row(seq=2, target=Predicate(ids=("phone",))), row(seq=3, expires=NOW)
    filling, all_ = page(row(seq=1), other, over, row(seq=4))
    shown = [json.loads(each) for each in filling.items]
    places = [cursors.decode(each["cursor"], 2).positions for each in shown]
    assert (all_, places, filling.positions) == (True, [(0, 1), (0, 4)], [0, 4])
    assert [each["lane"] for each in shown] == ["low", "low"]


def test_a_page_ends_before_the_first_row_that_does_not_fit() -> None:
    """By number and by size; a first item always fits."""
    rows = [row(seq=seq) for seq in (1, 2, 3)]
    filling, all_ = page(*rows, items=2)
    assert (all_, filling.full, filling.room, filling.positions) == (False, True, 0, [0, 2])
    filling, all_ = page(*rows, size=1)
    assert (all_, filling.full, filling.room, filling.positions) == (False, False, 9, [0, 1])


def test_a_page_looks_at_a_bounded_number_of_rows() -> None:
    """A device that is not meant has its answer soon."""
    filling, all_ = page(*(row(seq=seq, target=Predicate(ids=("phone",))) for seq in range(1, 99)), items=1)
    assert (all_, filling.items, filling.positions) == (False, [], [0, 8])
