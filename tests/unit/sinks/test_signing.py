"""Signatures, judged by the library of the standard."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from sinks.signing import signed

OLD, NEW = bytes(24), bytes(range(64))
BODY = b'{"type":"a"}'


def _verify(secret: bytes, headers: dict[str, str], body: bytes = BODY) -> object:
    return Webhook("whsec_" + base64.b64encode(secret).decode()).verify(body, headers)


def test_every_secret_signs_while_they_rotate() -> None:
    """A receiver that knows one of them is content."""
    headers = signed("id", int(time.time()), BODY, (NEW, OLD))
    assert _verify(OLD, headers) == _verify(NEW, headers) == {"type": "a"}


def test_another_secret_or_body_is_refused() -> None:
    """By the library: the signature covers all of it."""
    headers = signed("id", int(time.time()), BODY, (NEW,))
    with pytest.raises(WebhookVerificationError):
        _verify(OLD, headers)
    with pytest.raises(WebhookVerificationError):
        _verify(NEW, headers, BODY + b" ")
    with pytest.raises(WebhookVerificationError):
        _verify(NEW, headers | {"webhook-id": "other"})
