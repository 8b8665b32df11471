"""What a row of the inbox keeps."""

from __future__ import annotations

import uuid

import msgspec
import pytest

from sinks.rows import MAX_TTL_S, Notification, notification_of, row_of
from streams.envelope import notification_id
from streams.targets import Predicate
from tests.unit.fakes import NOW, TOPIC_ID, at
from tests.unit.sinks.make import envelope


def test_a_row_gives_the_notification_back() -> None:
    """Every field that a device or the pull endpoint needs survives the row."""
    target = Predicate(3, ("tv",), "phone", 7)
    e = envelope(4, lane=2, target=target)
    row = row_of(e, NOW)
    assert (row.account, row.lane, row.seq, row.type) == (b"anna", 2, at(4), b"member.plan.changed")
    read = notification_of(row.lane, row.seq, uuid.UUID(bytes=row.id), e.type, row.detail, row.payload)
    assert read == Notification(
        seq=at(4),
        lane=2,
        id=notification_id(at(4), 0, TOPIC_ID),
        type="member.plan.changed",
        time=NOW - 20,
        expires=NOW + 3_600_000,
        appended=NOW - 10,
        source="/profiles",
        events=("event-4",),
        content_type="application/json",
        payload=b'{"plan":"family"}',
        target=target,
    )


@pytest.mark.parametrize(
    ("left", "ttl"),
    [(3_600_000, 3600), (1999, 1), (999, 1), (0, 1), (-5000, 1), (30 * 86_400_000, MAX_TTL_S)],
)
def test_a_row_lives_for_what_is_left(left: int, ttl: int) -> None:
    """Whole seconds, at least one, at most the retention: a row without a TTL would stay for ever."""
    assert row_of(envelope(expires=NOW + left), NOW).ttl == ttl


def test_a_detail_of_a_later_release_is_read() -> None:
    """Fields that were added at the end are passed over."""
    row = row_of(envelope(), NOW)
    longer = msgspec.msgpack.encode([*msgspec.msgpack.decode(row.detail), "new"])
    assert notification_of(0, row.seq, uuid.UUID(bytes=row.id), "t", longer, b"").events == ("event-1",)


def test_a_detail_that_is_none_is_refused() -> None:
    """The reader passes over such a row."""
    with pytest.raises(msgspec.DecodeError):
        notification_of(0, 1, uuid.UUID(int=1), "t", b"\xc1", b"")
