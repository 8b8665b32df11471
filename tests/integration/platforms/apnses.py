"""APNs for the tests: the server with Apple's contract, and devices behind it."""

from __future__ import annotations

import json
import secrets
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from joserfc.jwk import ECKey
from msgspec.structs import replace

from streams.providers import Apns
from streams.settings import Settings
from tests.certificate import write_certificate
from tests.integration.platforms import cases
from tests.integration.platforms.apple import KEY_ID, STATUS_OF, TEAM, TOPIC, Answer, Apple, Request, serving
from tests.integration.platforms.cases import PAUSE_S, TIMEOUT_S, Case, Seen

_BEHAVIOURS = {
    cases.GONE: Answer("Unregistered", timestamp=1_700_000_000_000),
    cases.BUSY: Answer("TooManyRequests", pause=PAUSE_S),
    cases.FAULT: Answer("ServiceUnavailable"), cases.REFUSED: Answer("DeviceTokenNotForTopic"),
    cases.HANG: Answer(hang=True),
}  # fmt: skip


class Apnses(Case):
    """The platform `apns`."""

    name = "apns"
    refusal = "DeviceTokenNotForTopic"

    def __init__(self, streams: int = 1000) -> None:
        super().__init__()
        self.key = ECKey.generate_key("P-256", private=True)
        self.apple = Apple(self.key, self._behave, streams)

    async def open(self, stack: AsyncExitStack, settings: Settings) -> Settings:
        """The server, with a certificate of its own."""
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificate, key = write_certificate(directory)
        self.url = await stack.enter_async_context(serving(self.apple, certificate, key))
        pem = self.key.as_pem(private=True).decode()
        apns = Apns(
            url=self.url, key=pem, key_id=KEY_ID, team=TEAM, topic=TOPIC, authorities=str(certificate),
            timeout=TIMEOUT_S, connections=1,
        )  # fmt: skip
        return replace(settings, apns=apns)

    def token(self, behaviour: str) -> bytes:
        """Of a new device: it says what Apple answers."""
        return f"{behaviour.encode().hex()}00{secrets.token_hex(16)}".encode()

    def _behave(self, token: str, request: Request) -> Answer:
        behaviour = bytes.fromhex(token).partition(b"\0")[0].decode()
        if behaviour in STATUS_OF:
            return Answer(behaviour)
        answer = _BEHAVIOURS.get(behaviour, Answer())
        if answer == Answer():
            payload = json.loads(request.body)
            self.seen.append(Seen(payload.get("item", {"sync": payload.get("sync")}), request.headers))
        return answer
