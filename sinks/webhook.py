"""The sink for webhooks: one signed POST a device, to an address that the device named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from sinks.content import SYNC, message, timestamp
from sinks.each import Answer, EachSink, Note, Unusable, connect_circuits
from sinks.guard import Outside, connect_outside
from sinks.http import judge, post
from sinks.keys import BadToken, endpoint
from sinks.results import Sink
from sinks.signing import signed
from streams.stage import Stage

#: Standard Webhooks asks for payloads below 20 kB.
LIMIT: Final = 18_000
SYNC_TYPE: Final = "lockstep.sync"
_GONE: Final = (410,)
_text: Final = msgspec.json.Encoder().encode


async def sink(stage: Stage) -> Sink:
    """The sink of the platform `webhook`."""
    settings = stage.settings.webhook
    sender = Webhooks(await stage.resources.get(connect_outside), stage.topology.lane_names(), stage.now)
    circuit = (await stage.resources.get(connect_circuits)).of("webhook", settings.at_once)
    return EachSink(sender, circuit, timeout=settings.timeout)


class Webhooks:
    """Sends notes to webhooks."""

    def __init__(self, outside: Outside, lanes: tuple[str, ...], now: Callable[[], int]) -> None:
        """`now`: ms since 1970."""
        self._outside = outside
        self._lanes = lanes
        self._now = now

    def provider(self, note: Note) -> str:
        """The origin: one that fails is left alone, others are not. Raises Unusable and Blocked."""
        try:
            return str(self._outside.guard.url(endpoint(note.token).url).origin())
        except BadToken as error:
            raise Unusable(str(error)) from error

    async def send(self, note: Note) -> Answer:
        """POST the notification. Raises OSError, Unusable and Blocked."""
        target = endpoint(note.token)
        body = body_of(note, self._lanes[note.push.lane])
        headers = signed(id_of(note), self._now() // 1000, body, target.secrets)
        headers["Content-Type"] = "application/json"
        return judge(await post(self._outside.session, self._outside.guard.url(target.url), body, headers), _GONE)


def id_of(note: Note) -> str:
    """The same for all attempts to tell one device of one notification."""
    return f"{note.push.id.hex()}-{hashlib.blake2b(note.device.encode(), digest_size=6).hexdigest()}"


def body_of(note: Note, lane: str) -> bytes:
    """The JSON object of Standard Webhooks: type, timestamp and data, which is the notification; and the device."""
    data = message(note.push, lane, LIMIT)
    kind = SYNC_TYPE if data is SYNC else note.push.type
    when = timestamp(note.push.time).encode()
    return b'{"type":%b,"timestamp":"%b","device":%b,"data":%b}' % (_text(kind), when, _text(note.device), data)
