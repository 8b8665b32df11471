"""A server with Apple's contract on HTTP/2: what it refuses, and with which reason, is what Apple documents."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

TOPIC, TEAM, KEY_ID = "com.example.lockstep", "TEAM567890", "KEY4567890"
_PUSH_TYPES = ("alert", "background", "location", "voip", "complication", "fileprovider", "mdm", "liveactivity")
#: Apple's reasons by status.
REASONS: Mapping[int, tuple[str, ...]] = {
    400: (
        "BadCollapseId", "BadDeviceToken", "BadExpirationDate", "BadMessageId", "BadPriority", "BadTopic",
        "DeviceTokenNotForTopic", "DuplicateHeaders", "IdleTimeout", "InvalidPushType", "MissingDeviceToken",
        "MissingTopic", "PayloadEmpty", "TopicDisallowed",
    ),
    403: (
        "BadCertificate", "BadCertificateEnvironment", "BadEnvironmentKeyIdInToken", "ExpiredProviderToken",
        "Forbidden", "InvalidProviderToken", "MissingProviderToken", "UnrelatedKeyIdInToken",
    ),
    404: ("BadPath",),
    405: ("MethodNotAllowed",),
    410: ("ExpiredToken", "Unregistered"),
    413: ("PayloadTooLarge",),
    429: ("TooManyProviderTokenUpdates", "TooManyRequests"),
    500: ("InternalServerError",),
    503: ("ServiceUnavailable", "Shutdown"),
}  # fmt: skip
STATUS_OF = {reason: status for status, reasons in REASONS.items() for reason in reasons}


class Request(NamedTuple):
    """One request."""

    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What the server says: empty is 200. `hang`: nothing at all."""

    reason: str = ""
    timestamp: int = 0
    hang: bool = False
    pause: int = 0


class Apple:
    """The state of all connections: the provider tokens of the team."""

    def __init__(self, key: ECKey, behave: Callable[[str, Request], Answer], streams: int = 1000) -> None:
        """`behave` answers for a device token that is valid."""
        self.key = key
        self.streams = streams
        self.connections: list[_Connection] = []
        self.requests: list[Request] = []
        self._behave = behave
        self._current: tuple[str, float, float] | None = None  # the token in use, since when, and when it was issued

    def judge(self, request: Request) -> Answer:
        """Apple's checks, in its order."""
        headers = request.headers
        found = re.fullmatch(r"/3/device/([0-9a-f]{16,200})", headers[":path"])
        reason = (
            ("" if headers[":method"] == "POST" else "MethodNotAllowed")
            or ("" if headers[":path"].startswith("/3/device/") else "BadPath")
            or self._token(headers.get("authorization", ""))
            or ("" if found else "BadDeviceToken")
            or _fields(headers)
            or _payload(headers, request.body)
        )
        if reason or found is None:
            return Answer(reason)
        self.requests.append(request)
        return self._behave(found[1], request)

    def _token(self, header: str) -> str:
        """One token, 20 to 60 minutes long."""
        now = time.time()
        if self._current is not None and self._current[0] == header:
            return "" if now - self._current[2] <= 3600 else "ExpiredProviderToken"
        if not header.startswith("bearer "):
            return "MissingProviderToken"
        try:
            token = jwt.decode(header[7:], self.key, algorithms=["ES256"])
        except (JoseError, ValueError):
            return "InvalidProviderToken"
        if token.header.get("kid") != KEY_ID or token.claims.get("iss") != TEAM:
            return "InvalidProviderToken"
        if not now - 3600 <= token.claims["iat"] <= now + 60:
            return "ExpiredProviderToken"
        if self._current is not None and now - self._current[1] < 20 * 60:
            return "TooManyProviderTokenUpdates"
        self._current = header, now, token.claims["iat"]
        return ""


def _fields(headers: Mapping[str, str]) -> str:
    kind, priority = headers.get("apns-push-type", ""), headers.get("apns-priority", "10")
    if "apns-topic" not in headers:
        return "MissingTopic"
    if headers["apns-topic"] != TOPIC:
        return "TopicDisallowed"
    if kind not in _PUSH_TYPES:
        return "InvalidPushType"
    if priority not in ("1", "5", "10") or (kind == "background" and priority != "5"):
        return "BadPriority"
    if not headers.get("apns-expiration", "0").isdigit():
        return "BadExpirationDate"
    if len(headers.get("apns-collapse-id", "").encode()) > 64:
        return "BadCollapseId"
    try:
        uuid.UUID(headers.get("apns-id", "00000000-0000-0000-0000-000000000000"))
    except ValueError:
        return "BadMessageId"
    return ""


def _payload(headers: Mapping[str, str], body: bytes) -> str:
    if not body:
        return "PayloadEmpty"
    if len(body) > 4096:
        return "PayloadTooLarge"
    try:
        aps: dict[str, Any] = json.loads(body)["aps"]
    except (ValueError, KeyError):
        return "PayloadEmpty"
    silent = aps.get("content-available") == 1 and not aps.keys() & {"alert", "badge", "sound"}
    if headers["apns-push-type"] == "background" and not silent:
        return "InvalidPushType"
    return ""


class _Connection(asyncio.Protocol):
    def __init__(self, apple: Apple) -> None:
        self._apple = apple
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self.transport: asyncio.Transport | None = None
        self.hanging: list[int] = []
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        apple.connections.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        most = {SettingCodes.MAX_CONCURRENT_STREAMS: self._apple.streams}
        self._h2.local_settings = Settings(client=False, initial_values=most)  # an update is sent with the next change
        self._h2.initiate_connection()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                headers = dict(cast(list[tuple[str, str]], event.headers))
                self._requests[event.stream_id] = headers, bytearray()
            elif isinstance(event, DataReceived):
                self._requests[event.stream_id][1].extend(event.data or b"")
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, StreamEnded):
                headers, body = self._requests.pop(event.stream_id)
                self._answer(event.stream_id, Request(headers, bytes(body)))
            elif isinstance(event, StreamReset):
                self._requests.pop(event.stream_id, None)
        self.flush()

    def _answer(self, stream: int, request: Request) -> None:
        answer = self._apple.judge(request)
        if answer.hang:
            self.hanging.append(stream)
            return
        headers = [(":status", str(STATUS_OF[answer.reason] if answer.reason else 200))]
        headers.append(("apns-id", request.headers.get("apns-id", str(uuid.uuid4()))))
        if answer.pause:
            headers.append(("retry-after", str(answer.pause)))
        self._h2.send_headers(stream, headers, end_stream=not answer.reason)
        if answer.reason:
            body: dict[str, Any] = {"reason": answer.reason}
            if answer.timestamp:
                body["timestamp"] = answer.timestamp
            self._h2.send_data(stream, json.dumps(body).encode(), end_stream=True)

    def goodbye(self) -> None:
        """GOAWAY, as Apple says before it closes a connection."""
        self._h2.close_connection(additional_data=b'{"reason":"Shutdown"}')
        self.flush()

    def flush(self) -> None:
        """Send what is to be sent."""
        if self.transport is not None:
            self.transport.write(self._h2.data_to_send())


@asynccontextmanager
async def serving(apple: Apple, certificate: Path, key: Path) -> AsyncIterator[str]:
    """A server on a free port of this machine; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(apple), "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in apple.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.gather(*(connection.lost for connection in apple.connections))
