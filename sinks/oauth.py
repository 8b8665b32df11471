"""Access tokens for a Google service account (RFC 7523): fetched before the old one ends, once for all that wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from yarl import URL

from sinks.http import post

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_S: Final = 3600
#: A token is replaced so long before its end, s.
_EARLY_S: Final = 300.0
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class BadAccount(Exception):
    """The key of a service account cannot be used; the message says why."""


class Account(msgspec.Struct):
    """The key of a service account, as Google's JSON file holds it."""

    project_id: str
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float


def read_account(text: str) -> tuple[Account, RSAKey]:
    """A service account and its key. Raises BadAccount."""
    try:
        account = msgspec.json.decode(text, type=Account)
        return account, RSAKey.import_key(account.private_key)
    except (msgspec.MsgspecError, JoseError, ValueError) as error:
        raise BadAccount(f"LOCKSTEP_FCM__ACCOUNT is no key of a service account: {error}") from error


class AccessTokens:
    """The access token of one account."""

    def __init__(
        self, session: aiohttp.ClientSession, account: Account, key: RSAKey, clock: Callable[[], float] = time.time
    ) -> None:
        self.fetched = 0
        self._session = session
        self._account = account
        self._key = key
        self._clock = clock
        self._token = ""
        self._until = 0.0
        self._fetching = asyncio.Lock()

    async def get(self) -> str:
        """A token that is good for some minutes. Raises OSError where none can be had."""
        if self._clock() >= self._until:
            async with self._fetching:
                if self._clock() >= self._until:
                    await self._fetch()
        return self._token

    def drop(self, token: str) -> None:
        """The token was refused: fetch another one, unless that has been done."""
        if token == self._token:
            self._until = 0.0

    async def _fetch(self) -> None:
        body = urlencode({"grant_type": _GRANT, "assertion": self._assertion()}).encode()
        reply = await post(self._session, URL(self._account.token_uri), body, _FORM)
        try:
            granted = msgspec.json.decode(reply.body, type=_Granted)
        except msgspec.MsgspecError as error:
            raise ConnectionError(f"{self._account.token_uri} gave no token, status {reply.status}") from error
        self.fetched += 1
        self._token = granted.access_token
        self._until = self._clock() + max(granted.expires_in - _EARLY_S, granted.expires_in / 2)

    def _assertion(self) -> str:
        now = int(self._clock())
        header = {"alg": "RS256", "kid": self._account.private_key_id}
        claims: dict[str, Any] = {
            "iss": self._account.client_email, "scope": SCOPE, "aud": self._account.token_uri,
            "iat": now, "exp": now + _ASSERTION_S,
        }  # fmt: skip
        return jwt.encode(header, claims, self._key, algorithms=["RS256"])
