"""The messages of the sub-protocol `lockstep.v1`: what a device says, what it is told, and why a socket is closed."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from edge import frames


class Hello(msgspec.Struct, tag="hello", tag_field="type", frozen=True):
    """First message of a device: who it is, and where it stopped reading (empty: a fresh start)."""

    token: str
    cursor: str = ""


class Ack(msgspec.Struct, tag="ack", tag_field="type", frozen=True):
    """Everything at or below the cursor has been taken; `ids` are for the reader of a trace."""

    cursor: str
    ids: tuple[str, ...] = ()


class Ping(msgspec.Struct, tag="ping", tag_field="type", frozen=True):
    """A browser cannot send a WebSocket ping; this asks for a pong."""


class Closing(NamedTuple):
    """Why the server closes a socket: close code, stable name, and whether the device should come back, and when.

    4400 to 4499 want another request, 4500 and above the same one later.
    """

    code: int
    name: str


GOING_AWAY: Final = Closing(1001, "going-away")
MALFORMED_MESSAGE: Final = Closing(4400, "malformed-message")
MALFORMED_CURSOR: Final = Closing(4400, "malformed-cursor")
BAD_TOKEN: Final = Closing(4401, "bad-token")
UNKNOWN_DEVICE: Final = Closing(4404, "unknown-device")
HELLO_TIMEOUT: Final = Closing(4408, "hello-timeout")
REPLACED: Final = Closing(4409, "replaced")
RESYNC_REQUIRED: Final = Closing(4410, "resync-required")
UNAVAILABLE: Final = Closing(4503, "unavailable")

Message = Hello | Ack | Ping
#: Reads a text message of a device. Raises msgspec.MsgspecError.
decode = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode


def frame(type_: str, **fields: Any) -> bytes:
    """A text frame with one message."""
    return frames.text(_encode({"type": type_, **fields}))


PONG: Final = frame("pong")
PING: Final = frames.PING_FRAME


def welcome(session: str, ping: int, window: int) -> bytes:
    """The hello was good. `ping`: seconds between the server's pings; `window`: most items between two acks."""
    return frame("welcome", session=session, ping=ping, window=window)


def sync_end(cursor: bytes) -> bytes:
    """All that the device had missed has been sent; what follows is live."""
    return frame("sync_end", cursor=cursor.decode())


def goaway(reconnect_after: float, reason: str) -> bytes:
    """Please connect again after so many seconds; this socket will be closed."""
    return frame("goaway", reconnect_after=round(reconnect_after, 1), reason=reason)


def farewell(why: Closing, detail: str) -> bytes:
    """The error message and the close frame."""
    error = frame("error", code=why.code, error=why.name, detail=detail)
    return error + frames.close(why.code, why.name)
