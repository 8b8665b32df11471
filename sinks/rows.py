"""Rows of the inbox: what is kept of a notification, and how."""

from __future__ import annotations

import uuid
from typing import Final, NamedTuple

import msgspec

from streams.envelope import Envelope, notification_id
from streams.targets import EVERY, Predicate

VERSION: Final = 1
MAX_TTL_S: Final = 7 * 86_400


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


class Row(NamedTuple):
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
    detail = Detail(VERSION, e.time, e.expires, e.appended, e.source, (e.id,), e.content_type, e.target)
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
