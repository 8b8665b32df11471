"""Who a request of the HTTP interface speaks for."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from edge import problems
from edge.auth import BadToken, Verifier
from edge.identity import Identity
from edge.problems import Problem

_SCHEME = "bearer "


class Access:
    """Lets a device at what is its own."""

    def __init__(self, verifier: Verifier, clock: Callable[[], float]) -> None:
        self._verifier = verifier
        self._clock = clock

    def device(self, request: web.Request) -> Identity:
        """The identity of the token, which is that of the path. Raises Problem."""
        try:
            identity = self._verifier.verify(bearer(request), self._clock())
        except BadToken as error:
            raise problems.bad_token(str(error)) from error
        path = request.match_info["id"]
        if path != identity.device:
            raise problems.wrong_device(path)
        return identity


def bearer(request: web.Request) -> str:
    """The token of a request. Raises Problem."""
    header = request.headers.get("Authorization", "")
    if not header.lower().startswith(_SCHEME):
        raise problems.bad_token("no bearer token in the header Authorization")
    return header[len(_SCHEME) :].strip()


def number(request: web.Request, name: str, default: int, most: int) -> int:
    """A query parameter from 1 to `most`. Raises Problem."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise Problem(400, f"bad-{name}", f"The {name} cannot be used", f"{name} must be a number from 1 to {most}")
    return int(text)
