"""GET /v1/devices/{id}/notifications and POST /v1/devices/{id}/acks: the record for devices that ask."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from edge import cursor as cursors
from edge import problems
from edge.auth.access import Access, number
from edge.auth.identity import Identity
from edge.bodies import read_small
from edge.cursor import BadCursor, Cursor
from edge.item import Limits, Recipient
from edge.load import Load
from edge.problems import Problem
from edge.pull.encoding import CODECS, LEAST, choose
from edge.pull.page import Page, PageReader
from edge.pull.tags import matches, nothing_above, tag_of
from edge.pull.waits import Waits
from edge.reports import Reports
from edge.sockets.messages import Codes
from edge.stores import Stores, read_heads, read_recipient, type_bits
from sinks.redis import RedisUnavailable
from streams.settings import Edge
from streams.topology import Topology

DEFAULT_LIMIT: Final = 50
#: Pages read from Cassandra at once; more requests are sent away, over so many seconds.
MOST_READS: Final = 512
RETRY_SPREAD_S: Final = 5
#: A cursor so old (s) is read against the inbox itself, whatever the heads say.
FULL_READ_S: Final = 300
#: Header of 304, which has no body: what `poll_after` says in a page.
POLL_AFTER: Final = "Poll-After"
_random = random.SystemRandom()


class AckBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST acks, as an ack on a socket."""

    cursor: str
    codes: Codes = {}


_ack_body = msgspec.json.Decoder(AckBody).decode


class Ask(NamedTuple):
    """One request for notifications, read. `cursor` is a fresh one where `text` had none of this account."""

    identity: Identity
    cursor: Cursor
    fresh: bool
    limits: Limits
    wait: int
    tag: str
    accepts: str


class Found(NamedTuple):
    """What there is for a request: a page, the heads that were read before it, and s until the device asks again."""

    page: Page
    heads: tuple[int, ...]
    after: int


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
        waits: Waits,
        load: Load,
    ) -> None:
        self._settings = settings
        self._type_bit = type_bits(topology)
        self._lanes = topology.lane_names()
        self._stores = stores
        self._access = access
        self._reports = reports
        self._clock = clock
        self.waits = waits
        self.load = load
        self._reading = 0
        self.pages = self.unchanged = self.known = self.refused = 0

    def routes(self) -> list[web.RouteDef]:
        """For the application of the edge."""
        return [
            web.get("/v1/devices/{id}/notifications", self.notifications),
            web.post("/v1/devices/{id}/acks", self.acks),
        ]

    async def notifications(self, request: web.Request) -> web.Response:
        """One page of what the device has not read, from its cursor on; with `wait`, once there is something.

        What heads say is not asked of the inbox, but for a device that has not asked it for long.
        """
        ask = self._ask(request)
        account = ask.identity.account
        if not ask.fresh:
            self._reports.presented("pulled", account, ask.identity.device, ask.cursor.positions)
        heads = await read_heads(self._stores.heads, account, len(self._lanes))
        now = self._clock()
        full = ask.fresh or ask.cursor.as_of < now - FULL_READ_S
        if not full and not ask.wait and _knows_all(ask, heads):  # most polls end here
            return self._unchanged(heads, next(self.load.afters))
        cursor = ask.cursor
        page = await self._read(ask, cursor, heads, full=full)
        if not page.more and full:
            cursor = cursor._replace(as_of=int(now))  # never before: what is not read yet may be as old as the as-of
        elif page.more and full and not ask.fresh and not cursor.middle:
            await self._check_backlog(account, cursor)
        found = Found(page, heads, 0 if page.more else self._after(ask))
        if ask.wait and not page.more and not self.waits.full:
            found = await self._waited(ask, cursor, found)
        return self._answer(ask, cursor, found)

    def _ask(self, request: web.Request) -> Ask:
        """Raises Problem."""
        identity = self._access.device(request)
        most = self._settings.page_limit
        limit = number(request, "limit", min(DEFAULT_LIMIT, most), most)
        wait = number(request, "wait", 0, self._settings.wait, least=0)
        cursor, fresh = self._cursor(request.query.get("cursor", ""), identity)
        header = request.headers.get
        limits = Limits(limit, self._settings.page_bytes)
        return Ask(identity, cursor, fresh, limits, wait, header("If-None-Match", ""), header("Accept-Encoding", ""))

    async def acks(self, request: web.Request) -> web.Response:
        """The device says what it has taken; its next cursor would say the same."""
        identity = self._access.device(request)
        try:
            body = _ack_body(await read_small(request))
            cursor = cursors.decode(body.cursor, len(self._lanes))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise problems.malformed("body", str(error)) from error
        except BadCursor as error:
            raise problems.malformed("cursor", str(error)) from error
        if cursor.fingerprint != cursors.fingerprint(identity.account):
            raise problems.malformed("cursor", "it is of another account")
        await self._recipient(identity)
        self._reports.presented("acked", identity.account, identity.device, cursor.positions)
        self._reports.coded(identity.account, identity.device, body.codes)
        return web.Response(status=204)

    # -- reading and waiting

    async def _read(self, ask: Ask, cursor: Cursor, heads: tuple[int, ...], *, full: bool = False) -> Page:
        """A page. Raises Problem while too many are being read: who waits for Cassandra here waits in memory."""
        if nothing_above(cursor, heads) and not full:
            return Page([], cursor.positions, more=False)
        if self._reading >= MOST_READS:
            self.refused += 1
            after = 1 + _random.randrange(RETRY_SPREAD_S)
            raise Problem(503, "overloaded", "Too many devices read at once", "come back a little later", after)
        self._reading += 1
        try:
            recipient = await self._recipient(ask.identity)
            reader = PageReader(self._stores.inbox, ask.identity.account, recipient, self._lanes)
            return await reader.read(cursor, heads, ask.limits, int(self._clock() * 1000), full=full)
        finally:
            self._reading -= 1

    async def _waited(self, ask: Ask, cursor: Cursor, found: Found) -> Found:
        """What is there once a push came, or nothing when the time is over. Presence is written before heads are read.

        Without Redis there is no presence and no push: the answer is what was found.
        """
        page, heads, after = found
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ask.wait
        async with self.waits.open(ask.identity, cursor._replace(positions=page.positions)) as session:
            while not page.items and not page.more and not self.waits.draining:
                try:
                    if not await session.register(self._type_bit(ask.identity.type)):
                        return Found(page, heads, after)  # replaced: to come back at once would end the other one
                    heads = await self._stores.heads.read(ask.identity.account)
                except RedisUnavailable:
                    return Found(page, heads, after)
                page = await self._read(ask, cursor._replace(positions=page.positions), heads)
                if page.items or page.more or not await session.wait(page.positions, deadline - loop.time()):
                    break
        return Found(page, heads, self._after(ask) if self.waits.draining else 0)

    def _after(self, ask: Ask) -> int:
        """Seconds until an idle device asks again; who would wait goes elsewhere soon where this process ends."""
        if ask.wait and self.waits.draining:
            return 1 + _random.randrange(RETRY_SPREAD_S)
        return next(self.load.afters)

    async def _check_backlog(self, account: str, cursor: Cursor) -> None:
        """Raise Problem for a device that missed more than it may: the whole state is loaded faster."""
        most = self._settings.backlog + 1
        count = 0
        for lane, position in enumerate(cursor.positions):
            count += await self._stores.inbox.count(account, lane, position, most - count)
            if count >= most:
                raise problems.resync_required(f"more than {self._settings.backlog} notifications were missed")

    def _answer(self, ask: Ask, cursor: Cursor, found: Found) -> web.Response:
        """The page, or 304 where the device would learn nothing from it."""
        page = found.page
        stands = cursor._replace(positions=page.positions, middle=page.more)
        if stands == ask.cursor and not ask.fresh and _knows_all(ask, found.heads):
            return self._unchanged(found.heads, found.after)
        self.pages += 1
        return _response(page, cursors.encode(stands), tag_of(found.heads), found.after, ask.accepts)

    def _unchanged(self, heads: Sequence[int], after: int) -> web.Response:
        self.unchanged += 1
        headers = {"ETag": tag_of(heads), POLL_AFTER: str(after), "Cache-Control": "no-store"}
        return web.Response(status=304, headers=headers)

    async def _recipient(self, identity: Identity) -> Recipient:
        found = await read_recipient(self._stores.registry, identity.account, identity.device, self._type_bit)
        if found is None:
            raise problems.unknown_device(identity.device)
        return found

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
            raise problems.resync_required("the cursor is older than anything kept")
        return cursor, False


def _knows_all(ask: Ask, heads: Sequence[int]) -> bool:
    """Whether the request's cursor is at the heads, and its tag is theirs."""
    return nothing_above(ask.cursor, heads) and matches(ask.tag, tag_of(heads))


def _response(page: Page, next_cursor: str, tag: str, after: int, accepted: str) -> web.Response:
    body = b'{"items":[%b],"next_cursor":"%b","more":%b,"poll_after":%d}' % (
        b",".join(page.items),
        next_cursor.encode(),
        b"true" if page.more else b"false",
        after,
    )
    headers = {"ETag": tag, "Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    coding = choose(accepted) if len(body) >= LEAST else ""
    if coding:
        headers["Content-Encoding"] = coding
        body = CODECS[coding](body)
    return web.Response(body=body, content_type="application/json", headers=headers)
