"""Rows: what one batch adds to a table, as one record of the table's changelog."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, error
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

VERSION: Final = 1
#: Version, kind, bytes an entry, entries, newest broker time of them (ms); then a checksum of these and the entries.
_HEAD = Struct("<BBHIq")
_CHECKSUM = Struct("<I")
HEADER_BYTES: Final = _HEAD.size + _CHECKSUM.size

Entries = NDArray[np.void]


class BadRow(Exception):
    """A row that is torn, corrupt or written in a format that this release does not know."""


class Layout(NamedTuple):
    """The entries of a table: a key (the first 8 bytes of a fingerprint) and a cell that begins with the other 4.

    `pack` packs one entry, `cell_packer` one cell, to the same bytes as `entry` and `cell`.
    """

    kind: int
    cell: np.dtype[np.void]
    entry: np.dtype[np.void]
    cell_packer: Struct
    pack: Callable[..., bytes]


def _layout(kind: bytes, packed: str, *fields: tuple[str, str]) -> Layout:
    cell = np.dtype([("low", "<u4"), *fields])
    entry = np.dtype([("key", "<u8"), ("cell", cell)])
    return Layout(kind[0], cell, entry, Struct("<I" + packed), Struct("<QI" + packed).pack)


#: The source offset in 6 bytes, low part first, and the digest of the payload: 22 bytes an entry.
SEEN: Final = _layout(b"s", "IHI", ("offset_low", "<u4"), ("offset_high", "<u2"), ("digest", "<u4"))
#: The newest version (or time) and the position that brought it: 28 bytes an entry.
LATEST: Final = _layout(b"l", "qq", ("version", "<i8"), ("position", "<i8"))


class RowKey(NamedTuple):
    """Names a row: partition, start of its time bucket (ms), first and last offset of its entries.

    Without the last offset, a replay that cuts its batches elsewhere would replace a row by a shorter one.
    """

    partition: int
    start: int
    first: int
    last: int

    def encode(self) -> bytes:
        """The key of the record, readable by people."""
        return b"%d/%d/%d/%d" % self


def decode_key(key: bytes | None) -> RowKey:
    """The key of a row. Raises BadRow."""
    parts = (key or b"").split(b"/")
    if len(parts) != len(RowKey._fields) or not all(part.isdigit() for part in parts):
        raise BadRow(f"not the key of a row: {key!r}")
    return RowKey(*(int(part) for part in parts))


def encode_row(layout: Layout, until: int, entries: bytes) -> bytes:
    """The value of a row; `until` is the newest broker time among its entries, ms."""
    size = layout.entry.itemsize
    head = _HEAD.pack(VERSION, layout.kind, size, len(entries) // size, until)
    return head + _CHECKSUM.pack(crc32(entries, crc32(head))) + entries


def decode_row(layout: Layout, value: bytes) -> tuple[int, Entries]:
    """The newest broker time (ms) and the entries of a row, which share the row's memory. Raises BadRow."""
    try:
        version, kind, size, count, until = _HEAD.unpack_from(value)
        (checksum,) = _CHECKSUM.unpack_from(value, _HEAD.size)
    except error:
        raise BadRow(f"a row of {len(value)} bytes has no header") from None
    if (version, kind, size) != (VERSION, layout.kind, layout.entry.itemsize):
        raise BadRow(f"format {version}, kind {kind}, {size} bytes an entry; expected {_expected(layout)}")
    if len(value) != HEADER_BYTES + count * size:
        raise BadRow(f"torn: {len(value)} bytes instead of {HEADER_BYTES + count * size} for {count} entries")
    entries = memoryview(value)[HEADER_BYTES:]
    if crc32(entries, crc32(value[: _HEAD.size])) != checksum:
        raise BadRow(f"the checksum of {count} entries does not agree")
    return until, np.frombuffer(entries, layout.entry)


def _expected(layout: Layout) -> tuple[Any, ...]:
    return VERSION, layout.kind, layout.entry.itemsize
