"""The messages of the sub-protocol `lockstep.v1`: what a device says, what it is told, and why a socket is closed."""

from __future__ import annotations

from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from edge.sockets import frames
from streams.outcomes import Code

ItemId = Annotated[str, msgspec.Meta(pattern="^[0-7][0-9a-f]{31}$")]
Codes = Annotated[
    dict[ItemId, Code],
    msgspec.Meta(max_length=256, description="By id of the item. `handled` is what an item without a code counts as."),
]
Cursor = Annotated[str, msgspec.Meta(description="Opaque; keep the newest one.")]


class Hello(msgspec.Struct, tag="hello", tag_field="type", frozen=True):
    """First message of a device: who it is, and where it stopped reading (empty: a fresh start)."""

    token: str
    cursor: str = ""


class Ack(msgspec.Struct, tag="ack", tag_field="type", frozen=True):
    """Everything at or below the cursor has been taken; `codes` say of single items what became of them."""

    cursor: str
    codes: Codes = {}


class Ping(msgspec.Struct, tag="ping", tag_field="type", frozen=True):
    """Asks for a pong: a browser cannot send a WebSocket ping."""


class Limits(msgspec.Struct, frozen=True):
    """What a device may send: bytes of one message, frames a second, and frames at once after a pause."""

    message_bytes: int
    frames_per_s: float
    frames_at_once: float


class Welcome(msgspec.Struct, tag="welcome", tag_field="type", frozen=True):
    """The hello was good. `ping`: seconds between the server's pings; `window`: most items between two acks."""

    session: str
    ping: int
    window: int
    limits: Limits


class Sync(msgspec.Struct, tag="sync", tag_field="type", frozen=True):
    """A push was missed, or you did not read: what follows comes from the inbox, from this cursor on."""

    cursor: Cursor


class SyncEnd(msgspec.Struct, tag="sync_end", tag_field="type", frozen=True):
    """All that the device had missed has been sent; what follows is live."""

    cursor: Cursor


class Pong(msgspec.Struct, tag="pong", tag_field="type", frozen=True):
    """Answers a ping."""


class GoAway(msgspec.Struct, tag="goaway", tag_field="type", frozen=True):
    """Please connect again after so many seconds; this socket will be closed."""

    reconnect_after: float
    reason: Literal["lifetime", "draining"]


class Error(msgspec.Struct, tag="error", tag_field="type", frozen=True):
    """Comes before the close frame of every refusal, with its code and name."""

    code: int
    error: str
    detail: str


class Closing(NamedTuple):
    """Why the server closes a socket: close code, stable name, and what the device does then.

    4400 to 4499 want another request, 4500 and above the same one later.
    """

    code: int
    name: str
    advice: str


GOING_AWAY: Final = Closing(1001, "going-away", "Connect again, after `reconnect_after` of the `goaway`.")
MALFORMED_MESSAGE: Final = Closing(4400, "malformed-message", "Repair the message.")
MALFORMED_CURSOR: Final = Closing(4400, "malformed-cursor", "Start without a cursor.")
BAD_TOKEN: Final = Closing(4401, "bad-token", "Get a new token, then connect.")
UNKNOWN_DEVICE: Final = Closing(4404, "unknown-device", "Register, then connect.")
HELLO_TIMEOUT: Final = Closing(4408, "hello-timeout", "Connect again and say hello at once.")
REPLACED: Final = Closing(
    4409,
    "replaced",
    "Another connection of this device stands. Do not come back by yourself, or the two replace each other for ever.",
)
RESYNC_REQUIRED: Final = Closing(4410, "resync-required", "Load the whole state, then connect without a cursor.")
TOO_MANY_FRAMES: Final = Closing(4429, "too-many-frames", "Connect again, and keep to the `limits` of `welcome`.")
UNAVAILABLE: Final = Closing(4503, "unavailable", "A store cannot be reached. Connect again later.")
#: By close code: what is wrong with the frames themselves.
PROTOCOL_ERRORS: Final = {
    code: Closing(code, "protocol-error", f"{what} Repair the client.")
    for code, what in (
        (1002, "A frame against RFC 6455."),
        (1003, "A binary message."),
        (1007, "A text message that is no UTF-8."),
        (1009, "A message that is too large."),
    )
}
CLOSINGS: Final = (
    GOING_AWAY, *PROTOCOL_ERRORS.values(), MALFORMED_MESSAGE, MALFORMED_CURSOR, BAD_TOKEN, UNKNOWN_DEVICE,
    HELLO_TIMEOUT, REPLACED, RESYNC_REQUIRED, TOO_MANY_FRAMES, UNAVAILABLE,
)  # fmt: skip

Message = Hello | Ack | Ping
Told = Welcome | Sync | SyncEnd | Pong | GoAway | Error
#: Reads a text message of a device. Raises msgspec.MsgspecError.
decode = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode


def frame(message: Told) -> bytes:
    """A text frame with one message."""
    return frames.text(_encode(message))


PONG: Final = frame(Pong())
PING: Final = frames.PING_FRAME


def farewell(why: Closing, detail: str) -> bytes:
    """The error message and the close frame."""
    return frame(Error(why.code, why.name, detail)) + frames.close(why.code, why.name)
