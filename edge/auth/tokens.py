"""Device tokens: JWTs signed with Ed25519, verified once and then known by their hash."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.jwt import ClaimsOption

from edge.auth.identity import Identity
from edge.remembered import Remembered
from streams.event import MAX_ACCOUNT_BYTES
from streams.settings import Tokens

#: RFC 9864 retired the name EdDSA; the list is the whole of what is accepted, whatever a token says.
ALGORITHMS: Final = ["Ed25519"]
MAX_TOKEN: Final = 4096
PRIVATE: Final = "private.jwk"
PUBLIC: Final = "public.jwks"
#: Device ids appear in paths, in keys of Redis and in lists separated by commas.
_DEVICE: Final = re.compile(r"[A-Za-z0-9._:~-]{1,128}")
_CACHED: Final = 100_000
_FOREVER: Final = 1 << 40  # also what is no number at all is not below it


class BadToken(Exception):
    """A token that is not good now; the message may be told to who presented it."""


class BadKeys(Exception):
    """A key file that cannot be used; the message names it."""


class Revoked(Protocol):
    """Which accounts are revoked: `sinks.revocations`."""

    def since(self, account: str) -> int:
        """Tokens issued at or before this moment (s) are; -1 where none are."""


class NothingRevoked:
    """For those who check tokens without a store."""

    def since(self, account: str) -> int:
        """None are."""
        return -1


def is_remote(keys: str) -> bool:
    """Whether the setting names an address and no file."""
    return keys.startswith(("https://", "http://"))


class Verifier:
    """Checks tokens against the public keys of `settings.keys`; any of them may have signed.

    Keys from an address are there once `use` was called with them. `strangers` counts tokens of keys that are not,
    `changes` how often the keys became others: who was known before is not any more.
    """

    def __init__(self, settings: Tokens, revoked: Revoked | None = None) -> None:
        self._settings = settings
        self._revoked = NothingRevoked() if revoked is None else revoked
        self._keys = KeySet([])
        self._text: bytes | None = None  # of which they are
        self.strangers = self.changes = 0
        self._claims: dict[str, ClaimsOption] = {
            "iss": {"essential": True, "value": settings.issuer},
            "aud": {"essential": True, "value": settings.audience},
            "exp": {"essential": True},
            "sub": {"essential": True},
        }
        self._changed = -1.0
        self._good: Remembered[bytes, Identity] = Remembered(_CACHED)
        self.reload()

    def reload(self) -> bool:
        """Read the key file again if it has changed; tokens of keys that left it are refused. Raises BadKeys."""
        if is_remote(self._settings.keys):
            return False
        path = Path(self._settings.keys)
        try:
            changed = path.stat().st_mtime
            if changed == self._changed:
                return False
            text = path.read_bytes()
        except OSError as error:
            raise BadKeys(f"{path}: not a JWK Set of Ed25519 keys: {error}") from error
        self.use(text)
        self._changed = changed
        return True

    def use(self, text: bytes) -> None:
        """Take this JWK Set from now on; tokens of keys that are not in it are refused. Raises BadKeys."""
        if text == self._text:  # as it mostly is when an address is asked again: what it has verified stays known
            return
        try:
            self._keys = _public_keys(text)
        except (ValueError, KeyError, TypeError, AttributeError, JoseError, msgspec.MsgspecError) as error:
            raise BadKeys(f"{self._settings.keys}: not a JWK Set of Ed25519 keys: {error}") from error
        self._text = text
        self._good.clear()
        self.changes += 1

    def known(self, token: str) -> Identity | None:
        """Who a token speaks for that was verified before, whether or not it is good now; None for any other."""
        return self._good.get(digest_of(token))

    def stands(self, identity: Identity, now: float) -> bool:
        """Whether a token that was verified is good at `now` (s): neither at its end nor revoked."""
        return identity.expires + self._settings.leeway > now and identity.issued > self._revoked.since(
            identity.account
        )

    def verify(self, token: str, now: float) -> Identity:
        """Who the token speaks for at `now` (s). Raises BadToken."""
        if len(token) > MAX_TOKEN:
            raise BadToken(f"token longer than {MAX_TOKEN} characters")
        digest = digest_of(token)
        identity = self._good.get(digest)
        if identity is None:
            identity = self._check(token, now)
            self._good.put(digest, identity)
        if identity.expires + self._settings.leeway <= now:
            raise BadToken("token has expired")
        if identity.issued <= self._revoked.since(identity.account):
            raise BadToken("token was revoked")
        return identity

    def _check(self, token: str, now: float) -> Identity:
        registry = jwt.JWTClaimsRegistry(now=int(now), leeway=int(self._settings.leeway), **self._claims)
        try:
            claims = jwt.decode(token, self._keys, algorithms=ALGORITHMS).claims
            registry.validate(claims)
        except InvalidKeyIdError as error:
            self.strangers += 1
            raise _refused(error) from error
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise _refused(error) from error
        identity = _identity(claims)
        if identity.expires - now > self._settings.longest + self._settings.leeway:
            raise _too_long(self._settings)
        return identity


def _refused(error: Exception) -> BadToken:
    """The library names what stood in the token, which may be no text that can be sent: half a surrogate pair."""
    return BadToken(f"token refused: {error}".encode(errors="backslashreplace").decode())


def _too_long(settings: Tokens) -> BadToken:
    return BadToken(f"token lives longer than {settings.longest:.0f} s")


def digest_of(token: str) -> bytes:
    """What a token is known by."""
    return hashlib.blake2b(token.encode(errors="surrogatepass"), digest_size=16).digest()


def _public_keys(text: bytes) -> KeySet:
    keys = KeySet.import_key_set(msgspec.json.decode(text))
    for key in keys:
        if not isinstance(key, OKPKey) or key.curve_name != "Ed25519" or key.is_private:
            raise ValueError("every key must be a public Ed25519 key")
    return keys


def _identity(claims: dict[str, Any]) -> Identity:
    device, account, type_ = claims["sub"], claims.get("account"), claims.get("type")
    if not _DEVICE.fullmatch(device):
        raise BadToken("claim 'sub' is not a device id")
    if not isinstance(account, str) or not is_account(account):
        raise BadToken("claim 'account' is not an account")
    if not isinstance(type_, str) or not type_:
        raise BadToken("claim 'type' is not a device type")
    expires, issued = claims["exp"], claims.get("iat", 0)
    if not all(isinstance(each, int | float) and 0 <= each < _FOREVER for each in (expires, issued)):
        raise BadToken("claims 'iat' and 'exp' are not moments")
    return Identity(device, account, type_, float(expires), float(issued))


def is_account(text: str) -> bool:
    """Whether events may carry this account as their subject."""
    fits = 0 < len(text.encode(errors="replace")) <= MAX_ACCOUNT_BYTES
    return fits and text.isprintable() and "{" not in text and "}" not in text


def generate_keys(directory: Path) -> tuple[Path, Path]:
    """Make a key pair: `private.jwk`, readable by its owner only, and `public.jwks`. Raises FileExistsError."""
    directory.mkdir(parents=True, exist_ok=True)
    key = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519"})
    key.ensure_kid()
    private, public = directory / PRIVATE, directory / PUBLIC
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(key.as_dict(private=True)))
    public.write_bytes(msgspec.json.encode(KeySet([key]).as_dict(private=False)))
    return private, public


def issue(
    private_jwk: Path,
    settings: Tokens,
    device: str,
    account: str,
    type_: str,
    lifetime: float,
    now: float | None = None,
) -> str:
    """A token that is good for `lifetime` seconds from `now` on (s, the moment of the call where it is None).

    Raises BadKeys, or BadToken for claims that no edge takes.
    """
    try:
        key = OKPKey.import_key(msgspec.json.decode(private_jwk.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, JoseError, msgspec.MsgspecError) as error:
        raise BadKeys(f"{private_jwk}: not a private Ed25519 key: {error}") from error
    issued = int(time.time() if now is None else now)
    claims = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": device,
        "account": account,
        "type": type_,
        "iat": issued,
        "exp": issued + int(lifetime),
    }
    _identity(claims)
    if lifetime > settings.longest:
        raise _too_long(settings)
    return jwt.encode({"alg": ALGORITHMS[0], "kid": key.kid}, claims, key, algorithms=ALGORITHMS)
