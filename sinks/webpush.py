"""The sink for browsers: one encrypted request a device, to the push service that the browser named."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Final

from sinks.content import message
from sinks.each import Answer, EachSink, Note, Unusable, connect_circuits
from sinks.ece import LIMIT, encrypt
from sinks.guard import Outside, connect_outside
from sinks.http import judge, post
from sinks.keys import BadToken, subscription
from sinks.results import Sink
from sinks.vapid import Vapid, read_key
from streams.envelope import Push
from streams.stage import Stage

_URGENCY: Final = ("high", "normal", "low", "very-low")
_LONGEST_TTL_S: Final = 28 * 86_400
_GONE: Final = (404, 410)


async def sink(stage: Stage) -> Sink:
    """The sink of the platform `webpush`. Raises BadKey."""
    settings = stage.settings.webpush
    vapid = Vapid(read_key(settings.key, "LOCKSTEP_WEBPUSH__KEY"), settings.subject)
    sender = Webpush(await stage.resources.get(connect_outside), vapid, stage.topology.lane_names(), stage.now)
    circuit = (await stage.resources.get(connect_circuits)).of("webpush", settings.at_once)
    return EachSink(sender, circuit, timeout=settings.timeout)


class Webpush:
    """Sends notes to push services."""

    def __init__(self, outside: Outside, vapid: Vapid, lanes: tuple[str, ...], now: Callable[[], int]) -> None:
        """`now`: ms since 1970."""
        self._outside = outside
        self._vapid = vapid
        self._lanes = lanes
        self._now = now

    def provider(self, note: Note) -> str:
        """The push service's origin. Raises Unusable and Blocked."""
        try:
            return str(self._outside.guard.url(subscription(note.token).endpoint).origin())
        except BadToken as error:
            raise Unusable(str(error)) from error

    async def send(self, note: Note) -> Answer:
        """Send the notification. Raises OSError, Unusable and Blocked."""
        browser = subscription(note.token)
        try:
            body = encrypt(message(note.push, self._lanes[note.push.lane], LIMIT), browser.point, browser.auth)
        except ValueError as error:
            raise Unusable(f"the browser's key is no point: {error}") from error
        url = self._outside.guard.url(browser.endpoint)
        headers = headers_of(note.push, self._now())
        headers["Authorization"] = self._vapid.header(str(url.origin()))
        return judge(await post(self._outside.session, url, body, headers), _GONE)


def headers_of(push: Push, now: int) -> dict[str, str]:
    """How long the push service keeps it, how urgent it is, and what it takes the place of."""
    left = (min(push.deadline, push.expires) - now) // 1000
    headers = {
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(max(0, min(left, _LONGEST_TTL_S))),
        "Urgency": _URGENCY[min(push.lane, len(_URGENCY) - 1)],
    }
    key = "sync" if push.wake == "sync" else push.collapse_key
    if key:
        headers["Topic"] = topic_of(key)
    return headers


def topic_of(key: str) -> str:
    """A collapse key as push services take them: up to 32 characters of base64url."""
    return base64.urlsafe_b64encode(hashlib.blake2b(key.encode(), digest_size=24).digest()).decode()
