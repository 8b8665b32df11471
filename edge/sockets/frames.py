"""WebSocket frames (RFC 6455) without sockets: bytes in, frames out, and what must be answered with a close."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
#: Longest frame, and longest message of several frames, that a device may send, bytes.
MAX_MESSAGE: Final = 16 * 1024
_MAX_CONTROL: Final = 125
_KNOWN: Final = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))

_medium: Final = Struct(">BBH").pack

PING_FRAME: Final = b"\x89\x00"


class BadFrame(Exception):
    """A frame against the protocol; `code` is the close code that answers it."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Frame(NamedTuple):
    """One frame from a client, unmasked; the next one begins at `end`."""

    opcode: int
    final: bool
    payload: bytes
    end: int


def take(data: bytes, at: int = 0) -> Frame | None:
    """The frame that begins at `at`, None while it is not complete. Raises BadFrame."""
    if len(data) < at + 2:
        return None
    first, second = data[at], data[at + 1]
    _check(first, second)
    length, start = second & 0x7F, at + 6
    if length == 126:
        if len(data) < at + 4:
            return None
        length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 8
    if length > MAX_MESSAGE:
        raise BadFrame(1009, f"longer than {MAX_MESSAGE} bytes")
    end = start + length
    if len(data) < end:
        return None
    return Frame(first & 0x0F, first >= 0x80, unmask(data[start:end], data[start - 4 : start]), end)


def _check(first: int, second: int) -> None:
    opcode, length = first & 0x0F, second & 0x7F
    if first & 0x70 or opcode not in _KNOWN:
        raise BadFrame(1002, "reserved bits or unknown opcode")
    if not second & 0x80:
        raise BadFrame(1002, "not masked")
    if length == 127:
        raise BadFrame(1009, f"longer than {MAX_MESSAGE} bytes")
    if opcode >= CLOSE and (length > _MAX_CONTROL or first < 0x80):
        raise BadFrame(1002, "a control frame is long or fragmented")


def unmask(payload: bytes, mask: bytes) -> bytes:
    """XOR with the four bytes of the mask, repeated."""
    size = len(payload)
    keys = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")).to_bytes(size, "little")


def check_text(payload: bytes) -> None:
    """Raise BadFrame unless a text message is UTF-8, which its reader need not look at everywhere."""
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise BadFrame(1007, f"a text message is not UTF-8: {error.reason} at {error.start}") from error


def header(opcode: int, size: int) -> bytes:
    """Header of a whole, unmasked frame with a payload of `size` bytes."""
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, size))
    if size < 1 << 16:
        return _medium(first, 126, size)
    return bytes((first, 127)) + size.to_bytes(8, "big")


def text(payload: bytes) -> bytes:
    """A text frame."""
    return header(TEXT, len(payload)) + payload


def pong(payload: bytes) -> bytes:
    """The answer to a ping."""
    return header(PONG, len(payload)) + payload


def close(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to what a control frame holds."""
    payload = code.to_bytes(2, "big") + reason.encode()[: _MAX_CONTROL - 2].decode(errors="ignore").encode()
    return header(CLOSE, len(payload)) + payload


def close_code(payload: bytes) -> int:
    """The code to answer a client's close frame with: its own, 1000 where it gave none, 1002 for one not allowed."""
    if not payload:
        return 1000
    code = int.from_bytes(payload[:2], "big")
    allowed = len(payload) >= 2 and (code in _CLOSE_CODES or 3000 <= code <= 4999)
    return code if allowed else 1002


_CLOSE_CODES: Final = frozenset((*range(1000, 1004), *range(1007, 1012)))


class Messages:
    """Puts the fragments of a message together; control frames may come between them."""

    __slots__ = ("_opcode", "_parts")

    def __init__(self) -> None:
        self._opcode = -1
        self._parts = b""

    def add(self, frame: Frame) -> bytes | None:
        """The text that this data frame completes, if it does. Raises BadFrame."""
        if (frame.opcode == CONTINUATION) != (self._opcode >= 0):
            raise BadFrame(1002, "fragments out of order")
        if frame.opcode == BINARY:
            raise BadFrame(1003, "binary messages are not understood")
        if frame.final and self._opcode < 0:
            return frame.payload
        self._opcode = TEXT
        self._parts += frame.payload
        if len(self._parts) > MAX_MESSAGE:
            raise BadFrame(1009, f"longer than {MAX_MESSAGE} bytes")
        if not frame.final:
            return None
        whole, self._parts, self._opcode = self._parts, b"", -1
        return whole
