"""A push service of the tests, and a browser behind it that decrypts with a library of others."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, cast

import http_ece
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey
from msgspec.structs import replace

from sinks.keys import pack
from streams.providers import Egress, Webpush
from streams.settings import Settings
from tests.integration.platforms import cases
from tests.integration.platforms.cases import TIMEOUT_S, Case, Seen, answered, serve
from tests.integration.platforms.webhooks import LOCAL

SUBJECT = "mailto:push@lockstep.example"
AUTH = bytes(range(16))
_STATUSES = {cases.OK: 201, cases.GONE: 410, cases.BUSY: 429, cases.FAULT: 503, cases.REFUSED: 400, "absent": 404}


class Webpushes(Case):
    """The platform `webpush`."""

    name = "webpush"

    def __init__(self) -> None:
        super().__init__()
        self._browser = ec.generate_private_key(ec.SECP256R1())
        self._sender = ECKey.generate_key("P-256", private=True)
        self.authorizations: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """What the push service serves."""
        return [web.post("/push/{behaviour}", self._receive)]

    @property
    def public(self) -> str:
        """The sender's public key, as pages give it to their browser."""
        numbers = cast(Any, self._sender).public_key.public_numbers()
        return _text(b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"))

    async def open(self, stack: AsyncExitStack, settings: Settings) -> Settings:
        """The push service; it may be called though it is on this machine."""
        app = web.Application()
        app.add_routes(self.routes())
        self.url = await serve(stack, app)
        egress = Egress(allow=(*settings.egress.allow, "http:" + self.url.rpartition(":")[2]), networks=LOCAL)
        key = self._sender.as_pem(private=True).decode()
        return replace(settings, webpush=Webpush(timeout=TIMEOUT_S, key=key, subject=SUBJECT), egress=egress)

    def token(self, behaviour: str) -> bytes:
        """A subscription."""
        point = self._browser.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _text(point), "auth": _text(AUTH)}
        return pack("webpush", f"{self.url}/push/{behaviour}", keys).encode()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        if len(body) > 4096:
            return web.Response(status=413)
        if not self.is_valid(request.headers):
            return web.Response(status=403)
        behaviour = request.match_info["behaviour"]
        if behaviour == cases.OK:
            clear = http_ece.decrypt(body, private_key=self._browser, auth_secret=AUTH, version="aes128gcm")
            self.seen.append(Seen(json.loads(clear), request.headers))
        return await answered(behaviour, _STATUSES)

    def is_valid(self, headers: Mapping[str, str]) -> bool:
        """What RFC 8030 and 8292 demand."""
        scheme, _, rest = headers["Authorization"].partition(" ")
        self.authorizations.add(rest)
        parts = dict(part.split("=", 1) for part in rest.split(", "))
        claims = jwt.decode(parts["t"], self._sender, algorithms=["ES256"]).claims
        return (
            scheme == "vapid"
            and claims["aud"] == self.url
            and claims["sub"] == SUBJECT
            and time.time() < claims["exp"] <= time.time() + 86_400
            and headers["Content-Encoding"] == "aes128gcm"
            and int(headers["TTL"]) >= 0
            and headers["Urgency"] in ("very-low", "low", "normal", "high")
            and len(headers.get("Topic", "")) <= 32
        )


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
