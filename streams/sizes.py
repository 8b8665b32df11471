"""How long records between stages can get, bytes, by what an event may be and what devices register."""

from __future__ import annotations

from typing import Final

from streams.event import MAX_ACCOUNT_BYTES, MAX_ID

#: Devices of an account. Each of them may have the longest token: they are all in one push.
MAX_DEVICES: Final = 128
MAX_DEVICE_ID: Final = 128
#: A platform's token as it is registered, with its keys; and as it is kept, sealed by a key with the longest id.
MAX_TOKEN: Final = 4096
MAX_KEPT_TOKEN: Final = 5571
#: Bounds of a merged notification: it is pushed, and kept in a row, whole.
MAX_EVENTS: Final = 100
MAX_PAYLOAD: Final = 16 * 1024

_SOCKET: Final = 20  # lengths of a target and its id, and its three numbers at their longest
_PROVIDER: Final = 9  # the same where the numbers are 0, and the length of the token
_NUMBERS: Final = 1024 + MAX_ACCOUNT_BYTES  # of an envelope and of Kafka, with all other lengths; the record's key
_IDS: Final = MAX_EVENTS * (4 * MAX_ID + 3)
#: What the devices of a push take at most.
ROOM: Final = MAX_DEVICES * (MAX_DEVICE_ID + MAX_KEPT_TOKEN + _PROVIDER)


def envelope(event: int) -> int:
    """A record of `events.<lane>` made of an event of so many bytes, or that event itself in `ingest`, key included."""
    return event + _NUMBERS


def notification(event: int) -> int:
    """A record of `notifications.<lane>` where events have at most so many bytes."""
    return envelope(max(event, MAX_PAYLOAD)) + _IDS


def push(event: int) -> int:
    """The same of `push.<platform>.<lane>`."""
    return notification(event) + ROOM


def retry(event: int) -> int:
    """The same of its retry topic, which is for one device."""
    return notification(event) + ROOM // MAX_DEVICES


def target(device: str, token: bytes = b"") -> int:
    """What a device takes of a push, at most; one that is woken has a token."""
    return len(device.encode()) + (len(token) + _PROVIDER if token else _SOCKET)
