"""GET /v1/devices/{id}/notifications and POST /v1/devices/{id}/acks: the record for devices that ask."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from aiohttp import web

from edge import cursor as cursors
from edge import problems
from edge.access import Access, number
from edge.cursor import BadCursor, Cursor
from edge.identity import Identity
from edge.item import Limits, Recipient
from edge.page import Page, PageReader
from edge.reports import Reports
from edge.stores import Stores, read_heads
from streams.settings import Edge
from streams.targets import parse_version
from streams.topology import Topology

DEFAULT_LIMIT: Final = 50
#: Seconds until an idle device should ask again, on average; spread, so that devices do not ask together.
POLL_AFTER_S: Final = 300
#: A cursor so old (s) is read against the inbox itself, whatever the heads say.
FULL_READ_S: Final = 300
_random = random.SystemRandom()


class AckBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST acks."""

    cursor: str


_ack_body = msgspec.json.Decoder(AckBody).decode


class Pull:
    """The pull endpoint."""

    def __init__(
        self,
        settings: Edge,
        topology: Topology,
        stores: Stores,
        access: Access,
        reports: Reports,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._topology = topology
        self._lanes = topology.lane_names()
        self._stores = stores
        self._access = access
        self._reports = reports
        self._clock = clock
        self.pages = self.unchanged = 0

    def routes(self) -> list[web.RouteDef]:
        """For the application of the edge."""
        return [
            web.get("/v1/devices/{id}/notifications", self.notifications),
            web.post("/v1/devices/{id}/acks", self.acks),
        ]

    async def notifications(self, request: web.Request) -> web.Response:
        """One page of what the device has not read, from its cursor on."""
        identity = self._access.device(request)
        limit = number(request, "limit", min(DEFAULT_LIMIT, self._settings.page_limit), self._settings.page_limit)
        recipient = await self._recipient(identity)
        cursor, fresh = self._cursor(request.query.get("cursor", ""), identity)
        if not fresh:
            self._reports.presented("pulled", identity.account, identity.device, cursor.positions)
        heads = await read_heads(self._stores.heads, identity.account, len(self._lanes))
        tag = _tag(heads)
        now = self._clock()
        full = fresh or cursor.as_of < now - FULL_READ_S
        if not full and _nothing_above(cursor, heads) and request.headers.get("If-None-Match") == tag:
            self.unchanged += 1
            return web.Response(status=304, headers={"ETag": tag, "Cache-Control": "no-store"})
        if full:
            cursor = cursor._replace(as_of=int(now))
        reader = PageReader(self._stores.inbox, identity.account, recipient, self._lanes)
        page = await reader.read(cursor, heads, Limits(limit, self._settings.page_bytes), int(now * 1000))
        self.pages += 1
        return _response(page, cursor, tag)

    async def acks(self, request: web.Request) -> web.Response:
        """The device says what it has taken; its next cursor would say the same."""
        identity = self._access.device(request)
        try:
            body = _ack_body(await request.read())
            cursor = cursors.decode(body.cursor, len(self._lanes))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise problems.malformed("body", str(error)) from error
        except BadCursor as error:
            raise problems.malformed("cursor", str(error)) from error
        if cursor.fingerprint != cursors.fingerprint(identity.account):
            raise problems.malformed("cursor", "it is of another account")
        await self._recipient(identity)
        self._reports.presented("acked", identity.account, identity.device, cursor.positions)
        return web.Response(status=204)

    async def _recipient(self, identity: Identity) -> Recipient:
        device = await self._stores.registry.get(identity.account, identity.device)
        if device is None:
            raise problems.unknown_device(identity.device)
        return Recipient(device.id, self._topology.type_bit(device.type), parse_version(device.app_version))

    def _cursor(self, text: str, identity: Identity) -> tuple[Cursor, bool]:
        """The cursor, and whether it is a fresh start."""
        try:
            cursor = cursors.decode_for(text, identity.account, len(self._lanes))
        except BadCursor as error:
            raise problems.malformed("cursor", str(error)) from error
        if cursor is None:
            start = (0,) * len(self._lanes)
            return Cursor(cursors.fingerprint(identity.account), int(self._clock()), start), True
        if cursor.is_over(self._clock()):
            raise problems.resync_required()
        return cursor, False


def _nothing_above(cursor: Cursor, heads: Sequence[int]) -> bool:
    """Whether all heads are known and the cursor is at or above them."""
    return all(0 <= head <= position for head, position in zip(heads, cursor.positions, strict=True))


def _tag(heads: Sequence[int]) -> str:
    """All lanes' heads: their maximum would hide a lower lane that moved."""
    return '"' + "-".join(f"{head:x}" for head in heads) + '"'


def _response(page: Page, cursor: Cursor, tag: str) -> web.Response:
    after = 0 if page.more else round(POLL_AFTER_S * _random.uniform(0.8, 1.2))
    next_cursor = cursors.encode(cursor._replace(positions=page.positions))
    body = b'{"items":[%b],"next_cursor":"%b","more":%b,"poll_after":%d}' % (
        b",".join(page.items),
        next_cursor.encode(),
        b"true" if page.more else b"false",
        after,
    )
    return web.Response(body=body, content_type="application/json", headers={"ETag": tag, "Cache-Control": "no-store"})
