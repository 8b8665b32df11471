"""The cursor: how far a device has read each lane of its account; opaque to devices, spliced rather than encoded.

Every field is a multiple of 3 bytes, so the base64 of the whole is the base64 of its fields, joined:
version (1 byte), middle (1 bit) and as-of seconds (39) | account fingerprint (6) | one position of 9 bytes per lane.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

VERSION: Final = 1
#: Characters of version and as-of, of the fingerprint, of one position.
AS_OF_CHARS: Final = 8
FINGERPRINT_CHARS: Final = 8
POSITION_CHARS: Final = 12
#: Longest cursor that is looked at: 16 lanes.
MAX_CHARS: Final = AS_OF_CHARS + FINGERPRINT_CHARS + 16 * POSITION_CHARS
#: A cursor is good for so long, s: as long as a row lives, less an hour that it may have been on its way to the inbox.
GOOD_S: Final = 7 * 86_400 - 3600
_HEAD: Final = 12
_POSITION: Final = 9
_MAX_POSITION: Final = (1 << 63) - 1
_MIDDLE: Final = 1 << 39
_TIME: Final = _MIDDLE - 1
_encode = base64.urlsafe_b64encode


class BadCursor(Exception):
    """A text that is no cursor; says why."""


class Cursor(NamedTuple):
    """Everything at or below `positions` was read; `as_of` is the last time (s) at which that was known to be all.

    `middle`: more was known to be above, so what is there may be as old as `as_of`.
    """

    fingerprint: bytes
    as_of: int
    positions: tuple[int, ...]
    middle: bool = False

    def is_over(self, now: float) -> bool:
        """Whether rows above the positions may have ended unread at `now` (s)."""
        return self.as_of < now - GOOD_S


def fingerprint(account: str) -> bytes:
    """Six bytes that tell accounts apart."""
    return hashlib.blake2b(account.encode(), digest_size=6).digest()


def encode_as_of(as_of: int, *, middle: bool = False) -> bytes:
    """First 8 characters of a cursor."""
    return _encode(bytes((VERSION,)) + (as_of | _MIDDLE if middle else as_of).to_bytes(5, "big"))


def encode_position(position: int) -> bytes:
    """The 12 characters of one lane."""
    return _encode(position.to_bytes(_POSITION, "big"))


def encode_places(account_fingerprint: bytes, positions: Iterable[int]) -> bytes:
    """All of a cursor that follows its as-of."""
    return _encode(account_fingerprint) + b"".join(map(encode_position, positions))


def replace_position(places: bytes, lane: int, position: bytes) -> bytes:
    """`places` (of `encode_places`) with the 12 characters of one lane exchanged."""
    at = FINGERPRINT_CHARS + POSITION_CHARS * lane
    return places[:at] + position + places[at + POSITION_CHARS :]


def encode(cursor: Cursor) -> str:
    """The text that a device keeps."""
    start = encode_as_of(cursor.as_of, middle=cursor.middle)
    return (start + encode_places(cursor.fingerprint, cursor.positions)).decode()


def decode(text: str, lanes: int) -> Cursor:
    """The cursor that a device presents. Raises BadCursor.

    Lanes are only ever appended: a lane that the cursor does not know stands at 0, one that this release does not
    know is left out.
    """
    if len(text) > MAX_CHARS:
        raise BadCursor(f"longer than {MAX_CHARS} characters")
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCursor("not base64url") from error
    if len(raw) < _HEAD + _POSITION or (len(raw) - _HEAD) % _POSITION:
        raise BadCursor(f"{len(raw)} bytes are not the length of a cursor")
    if raw[0] != VERSION:
        raise BadCursor(f"version {raw[0]}; this release reads {VERSION}")
    found = [int.from_bytes(raw[at : at + _POSITION], "big") for at in range(_HEAD, len(raw), _POSITION)]
    if max(found) > _MAX_POSITION:
        raise BadCursor("a position is out of range")
    positions = tuple((found + [0] * lanes)[:lanes])
    as_of = int.from_bytes(raw[1:6], "big")
    return Cursor(raw[6:_HEAD], as_of & _TIME, positions, as_of >= _MIDDLE)


def decode_for(text: str, account: str, lanes: int) -> Cursor | None:
    """The cursor of this account; None (a fresh start) for no text or another account's. Raises BadCursor."""
    if not text:
        return None
    cursor = decode(text, lanes)
    return cursor if cursor.fingerprint == fingerprint(account) else None
