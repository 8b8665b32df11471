"""An event as a producer meant it, and why one is refused."""

from __future__ import annotations

import msgspec

from streams.outcomes import Reason

MAX_ACCOUNT_BYTES = 128
MAX_ID = 256
MAX_DEVICE_IDS = 100


class BadEvent(Exception):
    """A record that is no event for lockstep. It goes to `dead-letters` with its original bytes."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


class Event(msgspec.Struct, gc=False, frozen=True):
    """A CloudEvent, decoded. Times are ms since 1970. `payload` stays opaque bytes of `content_type`."""

    account: str
    source: str
    id: str
    type: str
    time: int
    content_type: str = ""
    payload: bytes = b""
    expires: int | None = None
    collapse_key: str = ""
    device_types: tuple[str, ...] = ()
    device_ids: tuple[str, ...] = ()
    origin: str = ""
    revision: int = -1
    trace: str = ""
