"""Seals the tokens of platforms for the stores and topics between registration and use: AES-256-GCM, keys with ids.

A sealed token is `sealed.<key id>.<base64url of nonce, cipher text and tag>`. Each account has a key of its own, made
of the one that the id names, and the device is authenticated beside the token: one that was moved to another device is
not opened.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SETTING: Final = "LOCKSTEP_REGISTRY__TOKEN_KEYS"
_PREFIX: Final = "sealed."
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_INFO: Final = b"lockstep platform token\0"
_ID: Final = r"^[A-Za-z0-9_-]{1,64}\Z"


class BadTokenKeys(Exception):
    """The keys cannot be used; the message says why, and never a key."""


class Sealed(Exception):
    """A token that no key here opens; the message says which key would."""


class _Key(msgspec.Struct):
    """A symmetric key of a JWK Set."""

    kty: str
    kid: Annotated[str, msgspec.Meta(pattern=_ID)]
    k: str


class _Keys(msgspec.Struct):
    keys: Annotated[list[_Key], msgspec.Meta(min_length=1)]


class Seal:
    """Seals with the first key of a JWK Set of symmetric keys (RFC 7518, section 6.4), and opens with any of them."""

    def __init__(self, keys: str) -> None:
        """`keys`: the JWK Set; empty: nothing is sealed. Raises BadTokenKeys."""
        self._keys = _read(keys) if keys else {}
        self._newest = next(iter(self._keys), "")

    def seal(self, account: str, device: str, token: str) -> str:
        """The token as it is kept; an empty one stays so."""
        if not self._newest or not token:
            return token
        nonce = secrets.token_bytes(_NONCE_BYTES)
        made = self._cipher(self._newest, account).encrypt(nonce, token.encode(), device.encode())
        return f"{_PREFIX}{self._newest}.{base64.urlsafe_b64encode(nonce + made).decode().rstrip('=')}"

    def open(self, account: str, device: str, kept: bytes) -> bytes:
        """The token as it was registered; one that was kept in clear is given as it is. Raises Sealed."""
        if not kept.startswith(_PREFIX.encode()):
            return kept
        name, _, text = kept.decode(errors="replace").removeprefix(_PREFIX).partition(".")
        if name not in self._keys:
            raise Sealed(f"the key {name[:64]!r} that sealed the token is not in {SETTING}")
        try:
            made = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return self._cipher(name, account).decrypt(made[:_NONCE_BYTES], made[_NONCE_BYTES:], device.encode())
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise Sealed(f"the key {name!r} of {SETTING} is not the one that sealed the token") from error

    def is_current(self, kept: str) -> bool:
        """Whether a token is kept as `seal` would keep it now."""
        return not kept or not self._newest or kept.startswith(f"{_PREFIX}{self._newest}.")

    def _cipher(self, name: str, account: str) -> AESGCM:
        return AESGCM(HKDFExpand(SHA256(), _KEY_BYTES, _INFO + account.encode()).derive(self._keys[name]))


def fresh_key(name: str) -> bytes:
    """A new key as JSON, to be put into a JWK Set."""
    key = base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode().rstrip("=")
    if not re.match(_ID, name):
        raise BadTokenKeys(f"{name!r} is no id of a key: 1 to 64 of A-Z a-z 0-9 _ -")
    return msgspec.json.encode(_Key("oct", name, key))


def _read(text: str) -> dict[str, bytes]:
    try:
        found = msgspec.json.decode(text, type=_Keys).keys
    except msgspec.MsgspecError as error:
        raise BadTokenKeys(f"{SETTING}: not a JWK Set of symmetric keys: {error}") from error
    keys: dict[str, bytes] = {}
    for key in found:
        if key.kid in keys:
            raise BadTokenKeys(f"{SETTING}: two keys have the id {key.kid!r}")
        keys[key.kid] = _bytes(key)
    return keys


def _bytes(key: _Key) -> bytes:
    try:
        found = base64.b64decode(key.k + "=" * (-len(key.k) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if key.kty != "oct" or len(found) != _KEY_BYTES:
        raise BadTokenKeys(
            f"{SETTING}: the key {key.kid!r} has not `kty` oct and {_KEY_BYTES} bytes of base64url in `k`"
        )
    return found
