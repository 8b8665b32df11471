"""A fake of FCM, built from the table of errors of HTTP v1, and of the server of its access tokens."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from msgspec.structs import replace

from sinks.oauth import SCOPE
from streams.providers import Fcm
from streams.settings import Settings
from tests.integration.platforms import cases
from tests.integration.platforms.cases import PAUSE_S, TIMEOUT_S, Case, Seen, serve

PROJECT, EMAIL = "lockstep-tests", "sender@lockstep-tests.example"
_KEY, _OTHER = (RSAKey.generate_key(2048, private=True) for _ in range(2))
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"
#: Of each FcmError: the status of HTTP and that of the API.
ERRORS = {
    "UNREGISTERED": (404, "NOT_FOUND"),
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT"),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED"),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED"),
    "UNAVAILABLE": (503, "UNAVAILABLE"),
    "INTERNAL": (500, "INTERNAL"),
    "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED"),
}
_BEHAVIOURS = {
    cases.GONE: "UNREGISTERED", cases.BUSY: "QUOTA_EXCEEDED", cases.FAULT: "UNAVAILABLE",
    cases.REFUSED: "INVALID_ARGUMENT",
}  # fmt: skip
_ANDROID = {"priority", "ttl", "collapse_key", "notification"}


class Fcms(Case):
    """The platform `fcm`."""

    name = "fcm"
    refusal = "INVALID_ARGUMENT"

    def __init__(self, quota: int = 600_000, project: str = PROJECT, file: Path | None = None) -> None:
        """`file`: where the service account lies, if it does in one."""
        super().__init__()
        self._file = file
        self.keys = {"k1": _KEY}  # of the service account, by id
        self.signed: list[str] = []  # the key of each good assertion
        self._quota = quota
        self._project = project
        self.tokens: list[str] = []  # access tokens given out; the last is good
        self.messages: list[dict[str, Any]] = []

    async def open(self, stack: AsyncExitStack, settings: Settings) -> Settings:
        """The API and the token server."""
        app = web.Application()
        app.router.add_post(f"/v1/projects/{self._project}/messages:send", self._send)
        app.router.add_post("/token", self._token)
        self.url = await serve(stack, app)
        account = self.account("k1")
        if self._file:
            self._file.write_text(account)
        file = str(self._file or "")
        fcm = Fcm(url=self.url, account=account, account_file=file, timeout=TIMEOUT_S, quota=self._quota)
        return replace(settings, fcm=fcm)

    def account(self, key: str, project: str = "") -> str:
        """The service account with one of its keys, as Google's file has it."""
        return json.dumps({
            "type": "service_account", "project_id": project or self._project, "client_email": EMAIL,
            "private_key_id": key, "private_key": self.keys[key].as_pem(private=True).decode(),
            "token_uri": f"{self.url}/token",
        })  # fmt: skip

    def token(self, behaviour: str) -> bytes:
        """It says what FCM does."""
        return f"{behaviour}:{behaviour}-0123456789abcdef".encode()

    async def _token(self, request: web.Request) -> web.Response:
        """RFC 7523: the assertion is signed, fresh, and for this server."""
        form = parse_qs(await request.text())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        used: list[str] = []

        def key(assertion: Any) -> RSAKey:
            used.append(assertion.headers()["kid"])
            return self.keys.get(used[0], _OTHER)

        try:
            decoded = jwt.decode(form["assertion"][0], key, algorithms=["RS256"])
        except JoseError:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.signed += used
        claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": EMAIL}, aud={"essential": True, "value": f"{self.url}/token"},
            scope={"essential": True, "value": SCOPE}, exp={"essential": True}, iat={"essential": True},
        )  # fmt: skip
        claims.validate(decoded.claims)
        self.tokens.append(f"access-{len(self.tokens)}")
        return web.json_response({"access_token": self.tokens[-1], "expires_in": 3600, "token_type": "Bearer"})

    async def _send(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.tokens[-1] if self.tokens else ''}":
            return web.json_response({"error": {"code": 401, "status": "UNAUTHENTICATED"}}, status=401)
        message = (await request.json())["message"]
        if not self._is_valid(message):
            return self._refuse("INVALID_ARGUMENT")
        behaviour = message["token"].partition(":")[0]
        if behaviour == cases.HANG:
            await asyncio.sleep(3600)
        if behaviour in _BEHAVIOURS or behaviour in ERRORS:
            return self._refuse(_BEHAVIOURS.get(behaviour, behaviour))
        if behaviour == "DEVICE_QUOTA":
            return self._refuse("QUOTA_EXCEEDED", subject=message["token"])
        self.messages.append(message)
        data = message["data"]
        self.seen.append(Seen(json.loads(data["item"]) if "item" in data else {"sync": True}, request.headers))
        return web.json_response({"name": f"projects/{PROJECT}/messages/{len(self.seen)}"})

    def _is_valid(self, message: dict[str, Any]) -> bool:
        """What the reference of `Message` demands."""
        data, android = message["data"], message["android"]
        size = sum(len(name.encode()) + len(value.encode()) for name, value in data.items())
        return (
            size <= 4096
            and all(isinstance(value, str) for value in data.values())
            and android.keys() <= _ANDROID
            and android["priority"] in ("HIGH", "NORMAL")
            and android["ttl"].endswith("s")
            and 0 <= int(android["ttl"][:-1]) <= 28 * 86_400
        )

    def _refuse(self, code: str, subject: str = "") -> web.Response:
        status, name = ERRORS[code]
        details: list[dict[str, Any]] = [{"@type": FCM_ERROR, "errorCode": code}]
        if code == "QUOTA_EXCEEDED":
            details.append({"@type": QUOTA_FAILURE, "violations": [{"subject": subject or f"project:{PROJECT}"}]})
        headers = {"Retry-After": str(PAUSE_S)} if status in (429, 503) else {}
        error = {"code": status, "message": "worded anyhow", "status": name, "details": details}
        return web.json_response({"error": error}, status=status, headers=headers)
