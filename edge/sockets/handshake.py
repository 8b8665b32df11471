"""The upgrade from HTTP to a WebSocket, without sockets."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

SUBPROTOCOL: Final = b"lockstep.v1"
#: Longest request head that is read before the rest is somebody else's problem, bytes.
MAX_HEAD: Final = 16 * 1024
_PATH: Final = b"/v1/socket"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class BadHandshake(Exception):
    """An upgrade that cannot be granted; `response` is the whole answer."""

    def __init__(self, status: bytes, why: bytes, extra: bytes = b"") -> None:
        super().__init__(why.decode())
        self.response = (
            b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Type: application/problem+json\r\n%b"
            b"Content-Length: %d\r\n\r\n%b" % (status, extra, len(why), why)
        )


def split_head(data: bytes) -> tuple[bytes, bytes] | None:
    """(request head, bytes after it), None while the head is not complete."""
    end = data.find(b"\r\n\r\n")
    return None if end < 0 else (data[:end], data[end + 4 :])


def answer(head: bytes) -> bytes | None:
    """The response that grants the upgrade; None for any other request. Raises BadHandshake."""
    line, _, rest = head.partition(b"\r\n")
    method, _, target = line.partition(b" ")
    if method != b"GET" or target.partition(b" ")[0].partition(b"?")[0] != _PATH:
        return None
    headers = dict(map(_header, rest.split(b"\r\n"))) if rest else {}
    if b"websocket" not in headers.get(b"upgrade", b"").lower():
        return None
    if headers.get(b"sec-websocket-version") != b"13":
        raise BadHandshake(b"426 Upgrade Required", _problem(b"version 13 is spoken"), b"Sec-WebSocket-Version: 13\r\n")
    key = headers.get(b"sec-websocket-key", b"")
    if b"upgrade" not in headers.get(b"connection", b"").lower() or not _is_key(key):
        raise BadHandshake(b"400 Bad Request", _problem(b"no Connection: upgrade or no good Sec-WebSocket-Key"))
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    offered = [name.strip() for name in headers.get(b"sec-websocket-protocol", b"").split(b",")]
    # a client refuses a sub-protocol that it has not offered
    chosen = b"Sec-WebSocket-Protocol: %b\r\n" % SUBPROTOCOL if SUBPROTOCOL in offered else b""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"%bSec-WebSocket-Accept: %b\r\n\r\n" % (chosen, accept)
    )


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False


def _problem(detail: bytes) -> bytes:
    return b'{"type":"urn:lockstep:problem:bad-upgrade","title":"The upgrade cannot be granted","detail":"%b"}' % detail
