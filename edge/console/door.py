"""The door of the console's API: sessions, rights, and requests that only the console's own page can make."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from edge import problems
from edge.auth.callers import Callers, Operator, Right, digest
from edge.bodies import read_body
from edge.console.answers import as_json
from edge.console.sessions import LIFE_S, Session, Sessions
from edge.problems import Handler, Problem

API: Final = "/api/v1/"
SESSION: Final = "/api/v1/session"
CSRF: Final = "X-CSRF-Token"
_SITE: Final = "Sec-Fetch-Site"
_MOST_BYTES: Final = 4096
_SAFE: Final = (hdrs.METH_GET, hdrs.METH_HEAD)


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a sign-in."""

    token: str


_sign_in = msgspec.json.Decoder(SignIn).decode


class Door:
    """Who may come in, and as whom. The operators and their rights are those of the file of this moment."""

    def __init__(self, callers: Callers, sessions: Sessions, https: bool) -> None:
        """`https`: browsers come by it, so the cookie is sent by nothing else."""
        self._callers = callers
        self._sessions = sessions
        self._https = https
        self._cookie = "__Host-lockstep" if https else "lockstep"

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [web.post(SESSION, self.sign_in), web.get(SESSION, self.who), web.delete(SESSION, self.sign_out)]

    async def sign_in(self, request: web.Request) -> web.Response:
        """A session for the operator whose token is given."""
        try:
            body = _sign_in(await read_body(request, _MOST_BYTES))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise problems.malformed("body", str(error)) from error
        operator = self._callers.operator(body.token)
        if operator is None:
            raise problems.bad_token("it is no operator's")
        session = self._sessions.open(digest(body.token))
        response = as_json(_described(operator, session))
        response.set_cookie(
            self._cookie, session.id, max_age=LIFE_S, path="/", httponly=True, samesite="Strict", secure=self._https
        )
        return response

    async def who(self, request: web.Request) -> web.Response:
        """The operator of the session."""
        session, operator = self._found(request)
        return as_json(_described(operator, session))

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session."""
        session, _ = self._found(request)
        self._sessions.end(session.id)
        response = web.Response(status=204)
        response.del_cookie(self._cookie, path="/")
        return response

    def asked(self, request: web.Request, right: Right) -> Operator:
        """The operator who asks for something that needs this right. Raises Problem."""
        _, operator = self._found(request)
        if right not in operator.may:
            detail = f"it needs the right {right}; {operator.name} has {', '.join(operator.may)}"
            raise Problem(403, "not-allowed", "The operator may not do this", detail)
        return operator

    def may(self, request: web.Request, right: Right) -> bool:
        """Whether the operator has a right."""
        return right in self._found(request)[1].may

    def stands(self, request: web.Request) -> bool:
        """Whether the request's session, which it does not use, and its operator are still there."""
        session = self._sessions.peek(request.cookies.get(self._cookie, ""))
        return session is not None and self._callers.operator_with(session.token) is not None

    def check(self, request: web.Request) -> None:
        """Refuse what another site makes a browser send, and what has no session. Raises Problem."""
        safe = request.method in _SAFE
        if not (_is_own(request) or (safe and _comes_from_nowhere(request))):
            raise Problem(403, "cross-site", "The request comes from another site", "use the console's own page")
        if request.path == SESSION and request.method == hdrs.METH_POST:
            return
        session, _ = self._found(request)
        if not safe and not session.matches(request.headers.get(CSRF, "")):
            raise Problem(403, "csrf", "The request is not known to come from the page", f"{CSRF} is missing or wrong")

    def _found(self, request: web.Request) -> tuple[Session, Operator]:
        """Raises Problem."""
        session = self._sessions.find(request.cookies.get(self._cookie, ""))
        operator = None if session is None else self._callers.operator_with(session.token)
        if session is None or operator is None:
            raise Problem(401, "signed-out", "Nobody is signed in", "sign in with an operator's token")
        return session, operator


def guarded(door: Door) -> Any:
    """A middleware that lets nothing pass to the API but through the door."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(API):
            door.check(request)
        return await handler(request)

    return check


def _is_own(request: web.Request) -> bool:
    """Whether the browser says that a page of this origin makes the request."""
    site, origin = request.headers.get(_SITE), request.headers.get(hdrs.ORIGIN)
    if site is not None:
        return site == "same-origin"
    return origin in (f"http://{request.host}", f"https://{request.host}")


def _comes_from_nowhere(request: web.Request) -> bool:
    """Whether it is a person's own, or of a program that is no browser."""
    return request.headers.get(_SITE, "none") == "none" and hdrs.ORIGIN not in request.headers


def _described(operator: Operator, session: Session) -> dict[str, Any]:
    return {"name": operator.name, "may": operator.may, "csrf": session.csrf}
