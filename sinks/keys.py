"""What a device registers with its platform, checked and packed into the one text that the registry keeps."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from streams.sizes import MAX_TOKEN

_APNS: Final = re.compile(r"[0-9a-fA-F]{16,200}\Z")
_FCM: Final = re.compile(r"[!-~]{16,4096}\Z")
_TOKENS: Final = {"apns": _APNS, "fcm": _FCM}
_URL_MAX: Final = 2048
#: A name of labels as DNS takes them, or an IPv6 address.
_HOST: Final = re.compile(r"(?:(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?|[0-9a-z.%]*:[0-9a-z:.%]*)\Z")
_POINT, _AUTH = 65, 16
_SECRET_BYTES: Final = range(24, 65)
_SECRETS: Final = 3
_WHSEC: Final = "whsec_"
_CACHED: Final = 10_000


class BadToken(ValueError):
    """What was registered cannot be used; the message says why."""


class Subscription(NamedTuple):
    """A browser's: the push service's address, the browser's public point and the secret of both."""

    endpoint: str
    point: bytes
    auth: bytes


class Endpoint(NamedTuple):
    """A webhook: its address and its secrets, the newest first; each of them signs."""

    url: str
    secrets: tuple[bytes, ...]


class _Packed(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    keys: dict[str, str] = {}


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Packed).decode


def pack(platform: str, token: str, keys: Mapping[str, str]) -> str:
    """The text for the registry. Raises BadToken.

    apns and fcm: the device token. webpush: the endpoint, and keys `p256dh` and `auth` as browsers give them.
    webhook: the address, and the key `secret`, `whsec_...`; several with spaces between them while they rotate.
    """
    text = _checked(platform, token, keys)
    if len(text.encode()) > MAX_TOKEN:
        raise BadToken(f"longer than {MAX_TOKEN} bytes, with its keys")
    return text


def _checked(platform: str, token: str, keys: Mapping[str, str]) -> str:
    if platform in _ADDRESSES:
        packed = _encode(_Packed(token, dict(keys)))
        _ADDRESSES[platform](packed)
        return packed.decode()
    if keys:
        raise BadToken(f"platform {platform} has no keys")
    pattern = _TOKENS.get(platform)
    if pattern is not None and not pattern.match(token):
        raise BadToken(f"not a device token of {platform}")
    return token


@lru_cache(maxsize=_CACHED)
def subscription(token: bytes) -> Subscription:
    """A browser's subscription from the registry's text. Raises BadToken."""
    packed = _unpack(token, {"p256dh", "auth"})
    found = Subscription(packed.url, _base64(packed, "p256dh"), _base64(packed, "auth"))
    if len(found.point) != _POINT or found.point[0] != 4:
        raise BadToken("p256dh is not an uncompressed point of P-256")
    if len(found.auth) != _AUTH:
        raise BadToken("auth has not 16 bytes")
    return found


@lru_cache(maxsize=_CACHED)
def endpoint(token: bytes) -> Endpoint:
    """A webhook from the registry's text. Raises BadToken."""
    packed = _unpack(token, {"secret"})
    words = packed.keys["secret"].split()
    if not 1 <= len(words) <= _SECRETS:
        raise BadToken(f"1 to {_SECRETS} secrets, with spaces between them")
    return Endpoint(packed.url, tuple(_secret(word) for word in words))


_ADDRESSES: Final[Mapping[str, Callable[[bytes], object]]] = {"webpush": subscription, "webhook": endpoint}


def _unpack(token: bytes, names: set[str]) -> _Packed:
    try:
        packed = _decode(token)
    except msgspec.MsgspecError as error:
        raise BadToken(f"not an address with keys: {error}") from error
    if packed.keys.keys() != names:
        raise BadToken(f"the keys are {', '.join(sorted(names))}")
    _check_url(packed.url)
    return packed


def _check_url(url: str) -> None:
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > _URL_MAX:
        raise BadToken(f"not an address of at most {_URL_MAX} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadToken(f"not an address: {error}") from error
    if parts.scheme not in ("http", "https") or not _HOST.match(parts.hostname or "") or port == 0:
        raise BadToken("not an address with http(s) and a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadToken("an address has no user, password or fragment")


def _base64(packed: _Packed, name: str) -> bytes:
    text = packed.keys[name].rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadToken(f"{name} is not base64url: {error}") from error


def _secret(word: str) -> bytes:
    try:
        secret = base64.b64decode(word.removeprefix(_WHSEC), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadToken(f"secret is not base64: {error}") from error
    if not word.startswith(_WHSEC) or len(secret) not in _SECRET_BYTES:
        raise BadToken(f"a secret is {_WHSEC} and base64 of {_SECRET_BYTES.start} to {_SECRET_BYTES.stop - 1} bytes")
    return secret
