"""What a row of the inbox keeps."""

from __future__ import annotations

import struct
import uuid

import msgspec
import pytest

from sinks import rows
from sinks.rows import MAX_TTL_S, Notification, Packer, notification_of, row_of
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


def test_a_packed_row_is_a_statement_with_eight_values() -> None:
    """Each value stands after its length, as the protocol has it."""
    row = row_of(envelope(3, account="ännä", payload=b""), NOW)
    packed = Packer(b"0123456789abcdef").pack(row)
    assert packed[:1] == b"\x01"
    assert packed[1:19] == b"\x00\x10" + b"0123456789abcdef"
    values, at = [], 21
    assert struct.unpack(">H", packed[19:21]) == (8,)
    while at < len(packed):
        (size,) = struct.unpack_from(">i", packed, at)
        values.append(packed[at + 4 : at + 4 + size])
        at += 4 + size
    assert values == [
        "ännä".encode(),
        b"\x00",
        struct.pack(">q", row.seq),
        row.id,
        row.type,
        row.detail,
        b"",
        struct.pack(">i", 3600),
    ]


def test_rows_of_the_same_lengths_share_a_layout() -> None:
    """What a cached layout packs is what a fresh one packs."""
    packer = Packer(b"q")
    packer.pack(row_of(envelope(1), NOW))
    assert packer.pack(row_of(envelope(2), NOW)) == Packer(b"q").pack(row_of(envelope(2), NOW))


def test_the_layouts_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hostile lengths cannot fill the memory, and rows stay right."""
    monkeypatch.setattr(rows, "_MAX_LAYOUTS", 5)
    packer = Packer(b"q")
    for length in range(12):
        row = row_of(envelope(account="a" * length), NOW)
        assert packer.pack(row) == Packer(b"q").pack(row)
        assert 1 <= len(packer._layouts) <= 5
