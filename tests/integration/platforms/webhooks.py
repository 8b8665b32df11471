"""Webhooks for the tests: a receiver that verifies with the library of the standard."""

from __future__ import annotations

import base64
from contextlib import AsyncExitStack, suppress

from aiohttp import web
from msgspec.structs import replace
from standardwebhooks import Webhook as Verifier

from sinks.keys import pack
from streams.providers import Egress, Webhook
from streams.settings import Settings
from tests.integration.platforms import cases
from tests.integration.platforms.cases import TIMEOUT_S, Case, Seen, answered, serve

_STATUSES = {cases.OK: 204, cases.GONE: 410, cases.BUSY: 429, cases.FAULT: 503, cases.REFUSED: 400, "redirect": 302}
SECRETS = [base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]
LOCAL = ("127.0.0.0/8",)
#: It answers, and never comes to an end.
ENDLESS = "endless"


class Webhooks(Case):
    """The platform `webhook`."""

    name = "webhook"

    async def open(self, stack: AsyncExitStack, settings: Settings) -> Settings:
        """A receiver; it may be called though it is on this machine."""
        app = web.Application()
        app.router.add_route("*", "/{behaviour}", self._receive)
        self.url = await serve(stack, app)
        egress = Egress(allow=(*settings.egress.allow, "http:" + self.url.rpartition(":")[2]), networks=LOCAL)
        return replace(settings, webhook=Webhook(timeout=TIMEOUT_S), egress=egress)

    def token(self, behaviour: str) -> bytes:
        """Of an endpoint that is rotating its secret."""
        secrets = " ".join("whsec_" + secret for secret in SECRETS)
        return pack("webhook", f"{self.url}/{behaviour}", {"secret": secrets}).encode()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        for secret in SECRETS:  # the old one and the new one
            found = Verifier(secret).verify(body, dict(request.headers))
        behaviour = cases.FAULT if self.failing else request.match_info["behaviour"]
        if behaviour == cases.OK:
            self.seen.append(Seen(found["data"], request.headers))
        if behaviour == ENDLESS:
            return await _endless(request)
        return await answered(behaviour, _STATUSES)


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(bytes(65_536))
    return response
