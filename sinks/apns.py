"""The sink for Apple's devices: APNs over HTTP/2, one request a device."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from yarl import URL

from sinks import redis
from sinks.apns_reasons import judge, reason_of
from sinks.budget import Budget, Rate
from sinks.content import SYNC, message
from sinks.each import Answer, EachSink, Note, Unusable, connect_circuits
from sinks.guard import tls
from sinks.http2 import Headers, Http2
from sinks.keys import BadToken, pack
from sinks.provider_token import ProviderToken
from sinks.results import Sink
from sinks.vapid import read_key
from streams.envelope import Push
from streams.settings import Settings
from streams.stage import Stage

#: Largest payload, bytes.
LIMIT: Final = 4_096
_URGENT_LANES: Final = 2
#: Apple lets two or three background pushes an hour through to a device.
_BACKGROUND: Final = (Rate(b"background", 3, 20 * 60 * 1_000_000),)
_SILENT: Final = b'{"aps":{"content-available":1}'
_text: Final = msgspec.json.Encoder().encode


class Unset(Exception):
    """A setting that APNs needs is empty; the message names it."""


async def sink(stage: Stage) -> Sink:
    """The sink of the platform `apns`. Raises BadKey and Unset."""
    settings = stage.settings.apns
    for name in ("key_id", "team", "topic"):
        if not getattr(settings, name):
            raise Unset(f"LOCKSTEP_APNS__{name.upper()} is empty")
    memory = await stage.resources.get(redis.reconnecting)
    key = read_key(settings.key, "LOCKSTEP_APNS__KEY")
    token = ProviderToken(memory, key, settings.key_id, settings.team)
    sender = Apns(
        await stage.resources.get(connect_apple), token, settings.topic, stage.topology.lane_names(), stage.now
    )
    circuit = (await stage.resources.get(connect_circuits)).of("apns", settings.at_once)
    return EachSink(sender, circuit, timeout=settings.timeout, admit=Budget(memory, "apns", rates).admit)


@asynccontextmanager
async def connect_apple(settings: Settings) -> AsyncIterator[Http2]:
    """Connections to APNs, kept open."""
    url = URL(settings.apns.url)
    context = tls(settings.apns.authorities)
    context.set_alpn_protocols(["h2"])
    made = Http2(url.host or "", url.port or 443, context, settings.apns.connections)
    try:
        yield made
    finally:
        await made.close()


def rates(note: Note) -> tuple[Rate, ...]:
    """The budget of a device that a push uses: none for what the user sees."""
    return () if note.push.wake == "alert" else _BACKGROUND


class Apns:
    """Sends notes to APNs."""

    def __init__(
        self, http: Http2, token: ProviderToken, topic: str, lanes: tuple[str, ...], now: Callable[[], int]
    ) -> None:
        """`topic`: the bundle id. `now`: ms since 1970."""
        self._http = http
        self._token = token
        self._topic = topic
        self._lanes = lanes
        self._now = now

    def provider(self, note: Note) -> str:
        """APNs. Raises Unusable."""
        try:
            pack("apns", note.token.decode(errors="replace"), {})
        except BadToken as error:
            raise Unusable(str(error)) from error
        return "apns"

    async def send(self, note: Note) -> Answer:
        """Send the notification. Raises OSError."""
        token = await self._token.get()
        headers = [*headers_of(note, self._http.host, self._topic), ("authorization", f"bearer {token}")]
        reply = await self._http.request(headers, payload_of(note.push, self._lanes[note.push.lane]))
        if reason_of(reply) == "ExpiredProviderToken":
            await self._token.refused(token)
        return judge(reply)


def headers_of(note: Note, host: str, topic: str) -> Headers:
    """The request, its kind, how urgent it is, until when Apple keeps it, and what it takes the place of."""
    push = note.push
    alert = push.wake == "alert"
    headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", host),
        (":path", f"/3/device/{note.token.decode()}"),
        ("apns-topic", topic),
        ("apns-push-type", "alert" if alert else "background"),
        ("apns-priority", "10" if alert and push.lane < _URGENT_LANES else "5"),
        ("apns-expiration", str(min(push.deadline, push.expires) // 1000)),
        ("apns-id", _id(note)),
    ]
    key = "sync" if push.wake == "sync" else push.collapse_key
    if key:
        headers.append(("apns-collapse-id", _collapse_id(key)))
    return headers


def payload_of(push: Push, lane: str) -> bytes:
    """The payload; what is too large is a wake-up."""
    start = _SILENT
    if push.wake == "alert":
        start = b'{"aps":{"alert":{"loc-key":%b},"mutable-content":1}' % _text(push.type)
    content = message(push, lane, LIMIT - len(start) - len(b',"item":}'))
    return start + (b',"sync":true}' if content is SYNC else b',"item":%b}' % content)


def _id(note: Note) -> str:
    """The same for all attempts to tell one device of one notification."""
    digest = hashlib.blake2b(note.push.id + note.device.encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest))


def _collapse_id(key: str) -> str:
    """A collapse key as Apple takes them: at most 64 bytes."""
    return base64.urlsafe_b64encode(hashlib.blake2b(key.encode(), digest_size=24).digest()).decode()
