"""Access tokens for a Google service account (RFC 7523): fetched before the old one ends, once for all that wait."""

from __future__ import annotations

import asyncio
import logging
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
from streams.logins import current

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_SETTING: Final = "LOCKSTEP_FCM__ACCOUNT"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_S: Final = 3600
#: A token is replaced so long before its end, s.
_EARLY_S: Final = 300.0
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
log = logging.getLogger(__name__)


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
        key = RSAKey.import_key(account.private_key)
    except (msgspec.MsgspecError, JoseError, ValueError, TypeError) as error:  # TypeError: it has a password
        raise BadAccount(f"{_SETTING} is no key of a service account: {error}") from error
    if not key.is_private:
        raise BadAccount(f"{_SETTING} is no key of a service account: the key is public")
    return account, key


class ServiceAccount:
    """A service account and its key, which may change in their file."""

    def __init__(self, text: str, path: str = "") -> None:
        """`path`: the file that holds `text`, or a newer one. Raises BadAccount."""
        self._text = text
        self._path = path
        self._held = read_account(text)

    @property
    def project(self) -> str:
        """The id of its project, which stays."""
        return self._held[0].project_id

    def current(self) -> tuple[Account, RSAKey]:
        """As the file has them now; what it held before where it cannot be used."""
        text = current(self._text, self._path)
        if text != self._text:
            self._text = text
            try:
                self._change(*read_account(text))
            except BadAccount as error:
                log.warning("%s: the key that it held before stays: %s", self._path, error)
        return self._held

    def _change(self, account: Account, key: RSAKey) -> None:
        if account.project_id != self.project:
            raise BadAccount(f"it is of the project {account.project_id}: start the worker again for that")
        self._held = account, key
        log.info("another key of the service account is used from now on")


class AccessTokens:
    """The access token of one account."""

    def __init__(
        self, session: aiohttp.ClientSession, account: ServiceAccount, clock: Callable[[], float] = time.time
    ) -> None:
        self.fetched = 0
        self._session = session
        self._account = account
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
        account, key = self._account.current()
        body = urlencode({"grant_type": _GRANT, "assertion": self._assertion(account, key)}).encode()
        reply = await post(self._session, URL(account.token_uri), body, _FORM)
        try:
            granted = msgspec.json.decode(reply.body, type=_Granted)
        except msgspec.MsgspecError as error:
            raise ConnectionError(f"{account.token_uri} gave no token, status {reply.status}") from error
        self.fetched += 1
        self._token = granted.access_token
        self._until = self._clock() + max(granted.expires_in - _EARLY_S, granted.expires_in / 2)

    def _assertion(self, account: Account, key: RSAKey) -> str:
        now = int(self._clock())
        header = {"alg": "RS256", "kid": account.private_key_id}
        claims: dict[str, Any] = {
            "iss": account.client_email, "scope": SCOPE, "aud": account.token_uri,
            "iat": now, "exp": now + _ASSERTION_S,
        }  # fmt: skip
        return jwt.encode(header, claims, key, algorithms=["RS256"])
