"""The poll as nearly all clients write it, and what its bytes mean, whoever sends them and whenever."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final, NamedTuple

from edge import cursor as cursors
from edge.auth.access import Access
from edge.auth.identity import Identity
from edge.cursor import BadCursor, Cursor, fingerprint
from edge.pull.tags import matches, tag_of
from edge.remembered import Remembered

_LINE: Final = re.compile(
    rb"GET /v1/devices/([A-Za-z0-9._:~-]{1,128})/notifications"
    rb"\?cursor=([A-Za-z0-9_-]{1,208})(?:&limit=([0-9]{1,4}))?(?:&wait=0)? HTTP/1\.1"
)
#: How all of them begin.
_START: Final = b"GET /v1/devices/"
_NAME: Final = re.compile(rb"[A-Za-z0-9-]+")
#: Headers that change what is to be done with a request, or where it ends.
_NOT_PLAIN: Final = frozenset((b"content-length", b"expect", b"origin", b"transfer-encoding", b"upgrade"))
_WANTED: Final = frozenset((b"authorization", b"if-none-match"))
_BEARER: Final = b"bearer "
#: What ends the head of a request.
END: Final = b"\r\n\r\n"
#: Requests whose meaning is remembered, in each of two generations.
MOST: Final = 50_000


class Asking(NamedTuple):
    """A request for notifications, as it was written."""

    device: str
    cursor: str
    limit: int
    token: str
    tags: str


class Poll(NamedTuple):
    """What it comes to. `own`: the tag of heads that are where the cursor is, if it has it; else empty."""

    identity: Identity
    cursor: Cursor
    limit: int
    tags: str
    own: bytes


def read(data: bytes) -> Asking | None:
    """The request that the data are, whole and alone; None for any other, and for one that is written otherwise."""
    if not data.startswith(_START) or not data.endswith(END) or data.count(END) != 1:
        return None
    line, *lines = data[:-4].split(b"\r\n")
    if data.count(b"\n") != len(lines) + 2 or data.count(b"\r") != len(lines) + 2:
        return None
    target = _LINE.fullmatch(line)
    wanted = _headers(lines)
    if target is None or wanted is None or len(wanted) != len(_WANTED):
        return None
    authorization = wanted[b"authorization"]
    if authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    device, cursor, limit = target.groups(b"1")
    token = authorization[len(_BEARER) :].strip().decode("latin-1")
    return Asking(device.decode(), cursor.decode(), int(limit), token, wanted[b"if-none-match"].decode("latin-1"))


def _headers(lines: list[bytes]) -> dict[bytes, bytes] | None:
    """Those that are wanted; None where there is one that matters otherwise, is there twice, or is no plain header."""
    found: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if name in _WANTED and name not in found:
            found[name] = value.strip(b" \t")
        elif name in _WANTED or not colon or not _is_plain(name, value):
            return None
    return found


def _is_plain(name: bytes, value: bytes) -> bool:
    if name == b"connection":
        return value.strip().lower() == b"keep-alive"
    return name not in _NOT_PLAIN and _NAME.fullmatch(name) is not None


class Reader:
    """Works out what requests mean, each once: a device asks the same until there is something new."""

    def __init__(self, lanes: int, access: Access) -> None:
        self._lanes = lanes
        self._access = access
        self._changes = access.changes
        self._known: Remembered[bytes, Poll] = Remembered(MOST)

    def read(self, data: bytes) -> Poll | None:
        """The poll of one who is known; None for any other request. Whether the token is still good is not asked."""
        if not data.startswith(_START):
            return None
        if self._changes != self._access.changes:
            self._changes = self._access.changes
            self._known.clear()
        digest = blake2b(data, digest_size=16).digest()  # not the data, which hold a token
        poll = self._known.get(digest)
        if poll is None and (poll := self._mean(data)) is not None:
            self._known.put(digest, poll)
        return poll

    def _mean(self, data: bytes) -> Poll | None:
        asking = read(data)
        if asking is None or (identity := self._access.known(asking.device, asking.token)) is None:
            return None
        try:
            cursor = cursors.decode(asking.cursor, self._lanes)
        except BadCursor:
            return None
        if cursor.fingerprint != fingerprint(identity.account):
            return None
        tag = tag_of(cursor.positions)
        own = tag if matches(asking.tags, tag) else ""
        return Poll(identity, cursor, asking.limit, asking.tags, own.encode())
