"""What the answers of APNs mean, by Apple's reasons."""

from __future__ import annotations

from typing import Final

import msgspec

from sinks.each import DELIVERED, Answer
from sinks.http import Reply, retry_after

#: A wait where the token of the provider is at fault, ms: nothing gets through before somebody has looked.
_TOKEN_MS: Final = 60_000
#: Reasons that mean something else than their status says.
REASONS: Final = {
    # 400: the connection was idle; a request on another one may do
    "IdleTimeout": Answer("later", "IdleTimeout"),
    # 403, as others: but this one ends with the next token
    "ExpiredProviderToken": Answer("later", "ExpiredProviderToken"),
    # 413: the device gets a wake-up instead
    "PayloadTooLarge": Answer("later", "PayloadTooLarge", sync=True),
    # 429: tokens change too often, which ends for all; too many for one device is its own
    "TooManyProviderTokenUpdates": Answer("later", "TooManyProviderTokenUpdates", after=_TOKEN_MS, trouble="busy"),
}


class _Body(msgspec.Struct):
    reason: str = ""
    timestamp: int = 0


_NONE: Final = _Body()
_read: Final = msgspec.json.Decoder(_Body).decode


def reason_of(reply: Reply) -> str:
    """Apple's word for a refusal; empty where there is none."""
    return "" if reply.status == 200 else _body(reply).reason


def judge(reply: Reply) -> Answer:
    """What an answer means, by its reason, else by its status."""
    status = reply.status
    if status == 200:
        return DELIVERED
    body = _body(reply)
    reason = body.reason or f"status {status}"
    if reason in REASONS:
        return REASONS[reason]
    if status == 403:  # the key, not the push, is at fault: nothing is thrown away for it
        return Answer("later", reason, after=_TOKEN_MS, trouble="busy")
    if status == 410:
        return Answer("gone", reason, at=body.timestamp)
    if status == 429:
        return Answer("later", reason, after=retry_after(reply.headers))
    if status >= 500:
        return Answer("later", reason, after=retry_after(reply.headers), trouble="fault")
    return Answer("refused", reason)


def _body(reply: Reply) -> _Body:
    try:
        return _read(reply.body)
    except msgspec.MsgspecError:
        return _NONE
