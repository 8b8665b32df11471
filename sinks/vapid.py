"""VAPID (RFC 8292): who sends, signed once for each push service and half a day."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64encode

#: A push service takes a day at most.
LIFE_S: Final = 12 * 3600
#: A header is made anew so long before its end, s.
_EARLY_S: Final = 3600
_MOST: Final = 1_000


class BadKey(Exception):
    """A signing key cannot be used; the message names the setting."""


def read_key(text: str, setting: str) -> ECKey:
    """A private key on P-256, from PEM. Raises BadKey."""
    try:
        key = ECKey.import_key(text)
        if not key.is_private or key.curve_name != "P-256":
            raise BadKey(f"{setting} is no private key on P-256")
    except (JoseError, ValueError, TypeError, KeyError) as error:  # a password, a curve that it does not know
        raise BadKey(f"{setting} is no private key on P-256: {error}") from error
    return key


class Vapid:
    """Makes the header `Authorization` for push services."""

    def __init__(self, key: ECKey, subject: str, clock: Callable[[], float] = time.time) -> None:
        """`subject` is an address `mailto:` or `https:`. Raises BadKey."""
        if not subject.startswith(("mailto:", "https://")):
            raise BadKey("LOCKSTEP_WEBPUSH__SUBJECT is no address that begins with mailto: or https://")
        self.signed = 0
        self._key = key
        self._subject = subject
        self._clock = clock
        raw = cast(Any, key).public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self._public = urlsafe_b64encode(raw).decode()
        self._made: dict[str, tuple[float, str]] = {}

    def header(self, origin: str) -> str:
        """The header for a push service, the same for many requests."""
        until, header = self._made.get(origin, (0.0, ""))
        now = self._clock()
        if now >= until:
            header = self._sign(origin, int(now) + LIFE_S)
            while len(self._made) >= _MOST:
                del self._made[next(iter(self._made))]
            self._made[origin] = now + LIFE_S - _EARLY_S, header
        return header

    def _sign(self, origin: str, expires: int) -> str:
        self.signed += 1
        claims: dict[str, Any] = {"aud": origin, "exp": expires, "sub": self._subject}
        token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, self._key, algorithms=["ES256"])
        return f"vapid t={token}, k={self._public}"
