"""Rows of the inbox: what is kept of a notification, and how, up to the bytes of Cassandra's protocol."""

from __future__ import annotations

import uuid
from struct import Struct
from typing import Final

import msgspec

from streams.envelope import Envelope, notification_id
from streams.targets import EVERY, Predicate

VERSION: Final = 1
MAX_TTL_S: Final = 7 * 86_400
INSERT: Final = (
    "INSERT INTO inbox (account, lane, seq, id, type, detail, payload) VALUES (?, ?, ?, ?, ?, ?, ?) USING TTL ?"
)
_VALUES: Final = 8
_MAX_LAYOUTS: Final = 10_000
_short: Final = Struct(">H").pack
_last: Final = Struct(">ii").pack


class Detail(msgspec.Struct, array_like=True, gc=False):
    """The cell `detail`: everything that no query asks for. Fields are only ever added at the end, with a default."""

    version: int
    time: int
    expires: int
    appended: int
    source: str
    events: tuple[str, ...]
    content_type: str
    target: Predicate = EVERY


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row to write. `ttl` is in seconds."""

    account: bytes
    lane: int
    seq: int
    id: bytes
    type: bytes
    detail: bytes
    payload: bytes
    ttl: int


class Notification(msgspec.Struct, gc=False):
    """A row that was read. Times are ms since 1970, `id` has 16 bytes."""

    seq: int
    lane: int
    id: bytes
    type: str
    time: int
    expires: int
    appended: int
    source: str
    events: tuple[str, ...]
    content_type: str
    payload: bytes
    target: Predicate


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Detail).decode


def row_of(envelope: Envelope, now: int) -> Row:
    """The row of a notification; it lives for what is left at `now` (ms), at least a second, at most 7 days."""
    e = envelope
    detail = Detail(VERSION, e.time, e.expires, e.appended, e.source, e.events or (e.id,), e.content_type, e.target)
    return Row(
        e.account.encode(),
        e.lane,
        e.seq,
        notification_id(e.seq, e.partition, e.topic_id),
        e.type.encode(),
        _encode(detail),
        e.payload,
        max(1, min(MAX_TTL_S, (e.expires - now) // 1000)),
    )


class Packer:
    """Packs rows for a BATCH of one prepared statement; layouts are cached by the lengths of the short texts."""

    def __init__(self, query_id: bytes) -> None:
        self._head = b"\x01" + _short(len(query_id)) + query_id + _short(_VALUES)
        self._layouts: dict[tuple[int, int], Struct] = {}

    def pack(self, row: Row) -> bytes:
        """One entry of the batch: the statement's id, then its values, each after its length."""
        account, type_, detail, payload = row.account, row.type, row.detail, row.payload
        layout = self._layouts.get((len(account), len(type_)))
        if layout is None:
            layout = self._layout(len(account), len(type_))
        start = layout.pack(
            self._head, len(account), account, 1, row.lane, 8, row.seq, 16, row.id, len(type_), type_, len(detail)
        )
        return b"".join((start, detail, len(payload).to_bytes(4, "big"), payload, _last(4, row.ttl)))

    def _layout(self, account: int, type_: int) -> Struct:
        if len(self._layouts) >= _MAX_LAYOUTS:
            self._layouts.clear()
        layout = Struct(f">{len(self._head)}si{account}sibiqi16si{type_}si")
        self._layouts[account, type_] = layout
        return layout


def notification_of(lane: int, seq: int, id_: uuid.UUID, type_: str, detail: bytes, payload: bytes) -> Notification:
    """A notification from the cells of its row. Raises msgspec.DecodeError."""
    d = _decode(detail)
    return Notification(
        seq,
        lane,
        id_.bytes,
        type_,
        d.time,
        d.expires,
        d.appended,
        d.source,
        d.events,
        d.content_type,
        payload,
        d.target,
    )
