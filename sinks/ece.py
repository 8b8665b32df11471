"""Encryption of Web Push messages (RFC 8291, RFC 8188): one record, with a key pair and a salt of its own."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CURVE: Final = ec.SECP256R1()
_SALT: Final = 16
_RECORD: Final = 4096
_POINT: Final = 65
_TAG: Final = 16
_LAST: Final = b"\x02"
#: Push services take bodies of at least this size, bytes; no more can be relied on.
BODY: Final = 4096
#: Most of a message before it is encrypted, bytes.
LIMIT: Final = BODY - (_SALT + 4 + 1 + _POINT) - _TAG - len(_LAST)


def encrypt(message: bytes, point: bytes, auth: bytes) -> bytes:
    """The body of a request: `message` for the browser with this public point and secret.

    Raises ValueError for a point that is none.
    """
    browser = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
    ours = ec.generate_private_key(_CURVE)
    public = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    salt = secrets.token_bytes(_SALT)
    shared = ours.exchange(ec.ECDH(), browser)
    secret = _derive(auth, shared, b"WebPush: info\0" + point + public, 32)
    key = _derive(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(salt, secret, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(key).encrypt(nonce, message + _LAST, None)
    return salt + _RECORD.to_bytes(4, "big") + bytes([_POINT]) + public + sealed


def _derive(salt: bytes, secret: bytes, info: bytes, size: int) -> bytes:
    """HKDF with SHA-256 (RFC 5869), one block."""
    return hmac.digest(hmac.digest(salt, secret, "sha256"), info + b"\x01", "sha256")[:size]
