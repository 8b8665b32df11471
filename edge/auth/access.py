"""Who a request of the HTTP interface speaks for."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from typing import Final

from aiohttp import web

from edge import problems
from edge.auth.buckets import Rates
from edge.auth.identity import Identity
from edge.auth.tokens import BadToken, Verifier
from edge.problems import Problem

#: Devices whose rate is remembered; who is forgotten begins with a full bucket.
DEVICES: Final = 50_000
_SCHEME: Final = "bearer "
#: Longest number in a query.
_DIGITS: Final = 18


class Access:
    """Lets a device at what is its own."""

    def __init__(
        self,
        verifier: Verifier,
        clock: Callable[[], float],
        rate: float = 100.0,
        seen: Callable[[str, str], None] = lambda account, device: None,
    ) -> None:
        """`rate`: requests a second of one device; `seen` is told of each that may pass."""
        self._verifier = verifier
        self._clock = clock
        self._rates = Rates(rate, 10 * rate, DEVICES)
        self._seen = seen
        self.limited = 0

    def device(self, request: web.Request) -> Identity:
        """The identity of the token, which is that of the path. Raises Problem."""
        try:
            identity = self._verifier.verify(bearer(request), self._clock())
        except BadToken as error:
            raise problems.bad_token(str(error)) from error
        path = request.match_info["id"]
        if path != identity.device:
            raise problems.wrong_device(path)
        wait = self.admit(identity)
        if wait:
            self.limited += 1
            raise Problem(429, "too-many-requests", "Too many requests", "wait as long as poll_after says", ceil(wait))
        return identity

    def known(self, device: str, token: str) -> Identity | None:
        """The identity of a token of this device that was verified before."""
        identity = self._verifier.known(token)
        return identity if identity is not None and identity.device == device else None

    @property
    def changes(self) -> int:
        """How often those who were known became unknown."""
        return self._verifier.changes

    def stands(self, identity: Identity, now: float) -> bool:
        """Whether one who is known is still let in at `now` (s)."""
        return self._verifier.stands(identity, now)

    def admit(self, identity: Identity) -> float:
        """0 where one request of the device is let in; else how long it has to wait, s."""
        wait = self._rates.take((identity.account, identity.device), time.monotonic())
        if not wait:
            self._seen(identity.account, identity.device)
        return wait


def bearer(request: web.Request) -> str:
    """The token of a request. Raises Problem."""
    header = request.headers.get("Authorization", "")
    if not header.lower().startswith(_SCHEME):
        raise problems.bad_token("no bearer token in the header Authorization")
    return header[len(_SCHEME) :].strip()


def number(request: web.Request, name: str, default: int, most: int, least: int = 1) -> int:
    """A query parameter from `least` to `most`. Raises Problem."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and least <= int(text) <= most):
        raise Problem(
            400, f"bad-{name}", f"The {name} cannot be used", f"{name} must be a number from {least} to {most}"
        )
    return int(text)
