"""One account: its devices, who is online where, its inbox, how far its devices have read, what was said last."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from edge.auth.tokens import is_account
from edge.console.answers import as_json
from edge.console.door import API, Door
from edge.console.events import body_of
from edge.console.index.store import Index
from edge.console.kafka import Topics
from edge.console.said import cursors, described, last_words, topic_of
from edge.console.stores import Later, Stores
from edge.devices import shown
from edge.problems import malformed
from sinks.rows import Notification
from streams.envelope import offset_of
from streams.settings import Settings
from streams.targets import PRESENCE, PRESENCE_LIFE_MS
from streams.topology import Topology
from streams.transport.client import partition_for

OUTCOMES: Final = 100
#: Rows of each lane that are shown, the newest; and those that are read to find them.
ROWS: Final = 50
_READ: Final = 1000


class Accounts:
    """GET accounts/{account}"""

    def __init__(
        self, settings: Settings, topology: Topology, index: Index, topics: Topics, later: Later, door: Door
    ) -> None:
        self._prefix = settings.topic_prefix
        self._topology = topology
        self._lanes = topology.lane_names()
        self._index = index
        self._topics = topics
        self._later = later
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [web.get(API + "accounts/{account}", self.account)]

    async def account(self, request: web.Request) -> web.Response:
        """All of one account. Payloads only for those who may see them."""
        self._door.asked(request, "read")
        account = account_in(request)
        stores, partitions = self._later.get(), self._topology.partitions
        topic = topic_of(self._prefix)
        reading = self._topics.read(
            lambda source: last_words(source, topic, self._index, account, partitions, OUTCOMES)
        )
        words, devices, heads, rows = await asyncio.gather(
            reading, self._devices(stores, account), stores.heads.read(account), self._rows(stores, account)
        )
        partition = partition_for(account.encode(), partitions)
        allowed = self._door.may(request, "payload")
        return as_json({
            "account": account,
            "partition": partition,
            "devices": devices,
            "inbox": {
                "rows": [_row(row, self._lanes, partition, allowed) for row in rows],
                "cursors": cursors(words, self._lanes),
                "heads": {
                    lane: {"seq": head, "offset": offset_of(head)} if head > 0 else None
                    for lane, head in zip(self._lanes, heads, strict=True)
                },
            },
            "outcomes": [described(word, partition, self._lanes) for word in words],
        })  # fmt: skip

    async def _devices(self, stores: Stores, account: str) -> list[dict[str, Any]]:
        registered, presence, seen = await asyncio.gather(
            stores.registry.list(account), stores.presence.read(account), stores.seen.read(account)
        )
        now = int(time.time() * 1000)
        online = presences(presence, stores.gateways.incarnations, now)
        return [
            shown(device)
            | {
                "presence": online.get(device.id),
                "last_seen": None if (at := seen.get(device.id)) is None else at * 1000,
                "token": bool(device.token),
            }
            for device in registered
        ]

    async def _rows(self, stores: Stores, account: str) -> list[Notification]:
        """The newest rows of all lanes, the newest first."""
        lanes = await asyncio.gather(*(self._lane(stores, account, lane) for lane in range(len(self._lanes))))
        rows = [row for lane in lanes for row in lane]
        return sorted(rows, key=lambda row: row.appended, reverse=True)[:ROWS]

    async def _lane(self, stores: Stores, account: str, lane: int) -> list[Notification]:
        """The newest rows of a lane, of which only the end is wanted: rows are read forwards."""
        kept: list[Notification] = []
        after = 0
        for _ in range(_READ):
            rows = await stores.inbox.read(account, lane, after, None, _READ)
            kept = [*kept, *rows][-ROWS:]
            if len(rows) < _READ:
                break
            after = rows[-1].seq
        return kept


def account_in(request: web.Request) -> str:
    """The account of the path. Raises Problem."""
    account = request.match_info["account"]
    if not is_account(account):
        raise malformed("account", "no event can be about such an account")
    return account


def presences(flat: Sequence[bytes], gateways: Mapping[int, int | None], now: int) -> dict[str, dict[str, Any]]:
    """What presence says of each device; online where `store` would push to it. Times in ms."""
    found = {}
    for field, value in zip(flat[::2], flat[1::2], strict=True):
        try:
            epoch, gateway, incarnation, _ = PRESENCE.unpack(value)
        except struct.error:
            continue
        fresh = epoch >= now - PRESENCE_LIFE_MS
        alive = gateways.get(gateway, incarnation) == incarnation
        found[field.decode(errors="backslashreplace")] = {
            "online": fresh and alive,
            "epoch": epoch,
            "gateway": gateway,
            "incarnation": incarnation,
            "why": "" if fresh and alive else "too old" if not fresh else "its gateway is gone",
        }
    return found


def _row(row: Notification, lanes: tuple[str, ...], partition: int, allowed: bool) -> dict[str, Any]:
    body = body_of(row.payload) if allowed else {"body": None, "encoding": None}
    return {
        "id": row.id.hex(),
        "seq": row.seq,
        "event": {"partition": partition, "offset": offset_of(row.seq)},
        "lane": lanes[row.lane],
        "type": row.type,
        "time": row.time,
        "appended": row.appended,
        "expires": row.expires,
        "events": row.events,
        "content_type": row.content_type,
        **body,
        "hidden": not allowed,
    }
