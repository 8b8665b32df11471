"""The sink for Firebase Cloud Messaging, HTTP v1: one request a message, within the project's quota."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec
from yarl import URL

from sinks import redis
from sinks.budget import Budget, Quota, Rate
from sinks.content import SYNC, message
from sinks.each import DELIVERED, Answer, EachSink, Note, Unusable, connect_circuits
from sinks.guard import tls
from sinks.http import Reply, open_session, post, retry_after
from sinks.keys import BadToken, pack
from sinks.oauth import AccessTokens, ServiceAccount
from sinks.results import Sink
from streams.envelope import Push
from streams.settings import Settings
from streams.stage import Stage

#: FCM takes 4,096 bytes of data, names included.
LIMIT: Final = 4_000
#: FCM keeps messages of four collapse keys for a device: one is that of wake-ups.
COLLAPSE_KEYS: Final = 3
_LONGEST_TTL_S: Final = 28 * 86_400
_MINUTE_MS: Final = 60_000
_SECOND_US: Final = 1_000_000
#: What FCM takes for one device of one app, and of collapsible messages.
_DEVICE: Final = (Rate(b"min", 240, _SECOND_US // 4), Rate(b"hour", 5_000, 720_000))
_COLLAPSIBLE: Final = (*_DEVICE, Rate(b"collapse", 20, 180 * _SECOND_US))
_URGENT_LANES: Final = 2
_encode: Final = msgspec.json.Encoder().encode


async def sink(stage: Stage) -> Sink:
    """The sink of the platform `fcm`. Raises BadAccount."""
    settings = stage.settings.fcm
    google = await stage.resources.get(connect_google)
    url = URL(f"{settings.url}/v1/projects/{google.project}/messages:send")
    sender = Fcm(google.session, url, google.tokens, stage.topology.lane_names(), stage.now)
    quota = Quota(google.project.encode(), Rate(b"", settings.quota, 60 * _SECOND_US // settings.quota))
    budget = Budget(await stage.resources.get(redis.reconnecting), "fcm", rates, quota)
    circuit = (await stage.resources.get(connect_circuits)).of("fcm", settings.at_once)
    return EachSink(sender, circuit, timeout=settings.timeout, admit=budget.admit)


class Google(NamedTuple):
    """What the stages of a worker share: connections, the project's id, its access token."""

    session: aiohttp.ClientSession
    project: str
    tokens: AccessTokens


@asynccontextmanager
async def connect_google(settings: Settings) -> AsyncIterator[Google]:
    """Connections to FCM and to the server of its tokens, kept open. Raises BadAccount."""
    account = ServiceAccount(settings.fcm.account, settings.fcm.account_file)
    async with open_session(aiohttp.TCPConnector(limit=0, ssl=tls(settings.fcm.authorities))) as session:
        yield Google(session, account.project, AccessTokens(session, account))


def rates(note: Note) -> tuple[Rate, ...]:
    """The budgets of a device that a message uses."""
    return _COLLAPSIBLE if collapse_key(note.push) else _DEVICE


def collapse_key(push: Push) -> str:
    """Of messages with the same key a device that was off gets the last; empty: all of them."""
    if push.wake == "sync":
        return "sync"
    return f"key-{zlib.crc32(push.collapse_key.encode()) % COLLAPSE_KEYS}" if push.collapse_key else ""


class Fcm:
    """Sends notes to FCM."""

    def __init__(
        self, session: aiohttp.ClientSession, url: URL, tokens: AccessTokens, lanes: tuple[str, ...],
        now: Callable[[], int],
    ) -> None:  # fmt: skip
        """`now`: ms since 1970."""
        self._session = session
        self._url = url
        self._tokens = tokens
        self._lanes = lanes
        self._now = now

    def provider(self, note: Note) -> str:
        """FCM. Raises Unusable."""
        try:
            pack("fcm", note.token.decode(errors="replace"), {})
        except BadToken as error:
            raise Unusable(str(error)) from error
        return "fcm"

    async def send(self, note: Note) -> Answer:
        """Send the notification. Raises OSError."""
        token = await self._tokens.get()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        reply = await post(self._session, self._url, body_of(note, self._lanes, self._now()), headers)
        if reply.status == 401 and not _code(_error(reply)):
            self._tokens.drop(token)
        return judge(reply, note)


def body_of(note: Note, lanes: tuple[str, ...], now: int) -> bytes:
    """The request's JSON: a data message, and for `alert` a text that the app has under the event's type."""
    push = note.push
    content = message(push, lanes[push.lane], LIMIT)
    data = {"sync": "true"} if content is SYNC else {"item": content.decode()}
    left = (min(push.deadline, push.expires) - now) // 1000
    android: dict[str, Any] = {
        "priority": "HIGH" if push.lane < _URGENT_LANES else "NORMAL",
        "ttl": f"{max(0, min(left, _LONGEST_TTL_S))}s",
    }
    key = collapse_key(push)
    if key:
        android["collapse_key"] = key
    if push.wake == "alert":
        android["notification"] = {"title_loc_key": push.type}
    return _encode({"message": {"token": note.token.decode(), "data": data, "android": android}})


class _Violation(msgspec.Struct, frozen=True):
    subject: str = ""


class _Detail(msgspec.Struct, frozen=True, rename="camel"):
    error_code: str = ""
    violations: tuple[_Violation, ...] = ()


class _Error(msgspec.Struct, frozen=True):
    status: str = ""
    details: tuple[_Detail, ...] = ()


class _Answer(msgspec.Struct):
    error: _Error = _Error()


_NONE: Final = _Error()
_read: Final = msgspec.json.Decoder(_Answer).decode


def _error(reply: Reply) -> _Error:
    try:
        return _read(reply.body).error
    except msgspec.MsgspecError:
        return _NONE


def _code(error: _Error) -> str:
    """FCM's own code, from the part of the answer that is its."""
    return next((detail.error_code for detail in error.details if detail.error_code), "")


def judge(reply: Reply, note: Note) -> Answer:
    """What an answer means, by FCM's code, else by the status."""
    if reply.status == 200:
        return DELIVERED
    error = _error(reply)
    code = _code(error) or error.status or f"status {reply.status}"
    after = retry_after(reply.headers)
    if code == "UNREGISTERED":
        return Answer("gone", code)
    if reply.status == 429:
        if _is_for_device(error, note):
            return Answer("later", code, after=after or _MINUTE_MS)
        return Answer("later", code, after=after or _MINUTE_MS, trouble="busy")
    if reply.status >= 500:
        return Answer("later", code, after=after, trouble="fault")
    if reply.status == 401 and not _code(error):  # the access token, not the message
        return Answer("later", code, after=after)
    return Answer("refused", code)


def _is_for_device(error: _Error, note: Note) -> bool:
    """Whether the quota that is exceeded is the device's: the answer names what it is of."""
    subjects = [violation.subject for detail in error.details for violation in detail.violations]
    return any(subject.endswith(note.token.decode(errors="replace")) for subject in subjects)
