"""Events that the page publishes to play with: real ones, into `ingest`, only where it can be a device too."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web

from edge.auth.tokens import is_account
from edge.bodies import read_small
from edge.console.answers import as_json
from edge.console.door import API, Door
from edge.ingest.outgoing import outgoing
from edge.problems import Problem, malformed
from streams.settings import Settings
from streams.transport.client import Publisher, PublishFailed

_SOURCE: Final = "/lockstep/console"
Text = Annotated[str, msgspec.Meta(max_length=256)]
log = logging.getLogger(__name__)


class Draft(msgspec.Struct, forbid_unknown_fields=True):
    """An event of now about an account."""

    account: str
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    data: msgspec.Raw = msgspec.Raw(b"null")
    collapsekey: Text = ""
    deviceids: Text = ""


_draft = msgspec.json.Decoder(Draft).decode


class Publish:
    """POST play/events"""

    def __init__(self, settings: Settings, door: Door) -> None:
        self._settings = settings
        self._door = door
        self._publisher: Publisher | None = None

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [web.post(API + "play/events", self.publish)]

    async def publish(self, request: web.Request) -> web.Response:
        """Publish one; where it lies, once the broker has it."""
        operator = self._door.asked(request, "write")
        if not self._settings.console.play_key:
            raise Problem(404, "no-play-key", "Nothing is published from here", "LOCKSTEP_CONSOLE__PLAY_KEY is not set")
        try:
            draft = _draft(await read_small(request))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise malformed("body", str(error)) from error
        if not is_account(draft.account):
            raise malformed("account", "no event can be about such an account")
        made = outgoing(_attributes(draft), False, uuid.uuid4().hex, datetime.now(UTC).isoformat())
        topic = self._settings.topic_prefix + "ingest"
        try:
            partition, offset = await self._open().publish(topic, made.key, made.value, made.headers)
        except PublishFailed as error:
            raise Problem(503, "not-published", "Kafka did not take the event", str(error)) from error
        log.info("operator %s has published an event at %d:%d", operator.name, partition, offset)
        return as_json({"partition": partition, "offset": offset, "id": made.id})

    def close(self) -> None:
        """Wait for what was published."""
        if self._publisher is not None:
            self._publisher.close()

    def _open(self) -> Publisher:
        """Most consoles publish nothing, so the first event opens the connection."""
        if self._publisher is None:
            kafka = self._settings.kafka
            self._publisher = Publisher(kafka.servers, **kafka.security)
        return self._publisher


def _attributes(draft: Draft) -> dict[str, object]:
    found = {
        "type": draft.type, "subject": draft.account, "source": _SOURCE, "datacontenttype": "application/json",
        "collapsekey": draft.collapsekey, "deviceids": draft.deviceids,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value} | {"data": draft.data}
