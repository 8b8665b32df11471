"""Signatures of Standard Webhooks 1.0.0."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def signed(id_: str, timestamp: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The headers of an attempt at `timestamp` (s): one signature for each secret, so that receivers can rotate."""
    said = b"%b.%d.%b" % (id_.encode(), timestamp, body)
    made = [b"v1," + base64.b64encode(hmac.digest(secret, said, "sha256")) for secret in secrets]
    return {ID: id_, TIMESTAMP: str(timestamp), SIGNATURE: b" ".join(made).decode()}
