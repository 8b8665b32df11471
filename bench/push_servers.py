"""The providers of `bench-push`, in a process of their own: they check what they get, and tell what they took."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import http_ece
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.certificate import write_certificate
from tests.integration.platforms.apple import Answer, Apple, Request, serving
from tests.integration.platforms.cases import serve

AUTH = bytes(16)
PROJECT = "bench"


class Providers:
    """What was taken since somebody asked: the numbers that the payloads hold."""

    def __init__(self) -> None:
        self.browser = ec.generate_private_key(ec.SECP256R1())
        self.signer = ECKey.generate_key("P-256", private=True)
        self.taken: dict[str, list[int]] = {"apns": [], "fcm": [], "webpush": []}
        self._verified: set[str] = set()

    def apple(self, token: str, request: Request) -> Answer:
        """A push that obeys Apple's contract."""
        self.taken["apns"].append(json.loads(request.body)["item"]["data"]["n"])
        return Answer()

    async def fcm(self, request: web.Request) -> web.Response:
        """A message."""
        if request.headers.get("Authorization") != "Bearer bench":
            return web.json_response({"error": {"status": "UNAUTHENTICATED"}}, status=401)
        message = (await request.json())["message"]
        self.taken["fcm"].append(json.loads(message["data"]["item"])["data"]["n"])
        return web.json_response({"name": f"projects/{PROJECT}/messages/1"})

    async def token(self, request: web.Request) -> web.Response:
        """An access token."""
        return web.json_response({"access_token": "bench", "expires_in": 3600})

    async def webpush(self, request: web.Request) -> web.Response:
        """A message that the browser can read, from a sender that signs."""
        token = request.headers["Authorization"].partition("t=")[2].partition(",")[0]
        if token not in self._verified:
            jwt.decode(token, self.signer, algorithms=["ES256"])
            self._verified.add(token)
        body = await request.read()
        clear = http_ece.decrypt(body, private_key=self.browser, auth_secret=AUTH, version="aes128gcm")
        self.taken["webpush"].append(json.loads(clear)["data"]["n"])
        return web.Response(status=201)

    async def told(self, request: web.Request) -> web.Response:
        """What was taken since the last time."""
        told = web.json_response(self.taken)
        for numbers in self.taken.values():
            numbers.clear()
        return told


async def main() -> None:
    """Serve until the parent closes our input; the addresses and keys are the first line that is printed."""
    made = Providers()
    async with AsyncExitStack() as stack:
        app = web.Application()
        app.router.add_post(f"/v1/projects/{PROJECT}/messages:send", made.fcm)
        app.router.add_post("/token", made.token)
        app.router.add_post("/push/{n}", made.webpush)
        app.router.add_get("/told", made.told)
        http = await serve(stack, app)
        certificate, key = write_certificate(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        # each client signs a token of its own, and Apple takes one of a team
        apns, peer = [
            await stack.enter_async_context(serving(Apple(made.signer, made.apple), certificate, key)) for _ in range(2)
        ]
        numbers = made.browser.public_key().public_numbers()
        point = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
        found: dict[str, Any] = {
            "http": http, "apns": apns, "apns_of_peer": peer, "authorities": str(certificate), "point": point.hex(),
            "signer": made.signer.as_pem(private=True).decode(),
        }  # fmt: skip
        print(json.dumps(found), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
