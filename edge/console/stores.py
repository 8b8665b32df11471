"""The stores of the console, which come when they come: without them it still shows what lies in the topics."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from edge.problems import Problem
from sinks import cassandra, redis
from sinks.cassandra import CassandraUnavailable
from sinks.devices import Registry
from sinks.gateways import Gateways, connect_gateways
from sinks.heads import Heads
from sinks.inbox import InboxReader
from sinks.last_seen import LastSeen
from sinks.presence import Presence
from streams.settings import Settings
from streams.topology import Topology

_AGAIN_S: Final = 5.0
log = logging.getLogger(__name__)


class Stores(NamedTuple):
    """What is read of accounts; nothing of it is written here."""

    registry: Registry
    inbox: InboxReader
    seen: LastSeen
    heads: Heads
    presence: Presence
    gateways: Gateways


class Later:
    """Opens the stores, for as long as `run` runs."""

    def __init__(self, settings: Settings, topology: Topology) -> None:
        self._settings = settings
        self._topology = topology
        self._stores: Stores | None = None
        self._trouble = "not connected yet"

    def get(self) -> Stores:
        """The stores. Raises Problem, which says why, while they are not open."""
        if self._stores is None:
            raise Problem(503, "unavailable", "Accounts cannot be shown yet", self._trouble)
        return self._stores

    async def run(self) -> None:
        """Open them, however often it takes, and keep them open until cancelled."""
        async with AsyncExitStack() as stack:
            memory = await stack.enter_async_context(redis.reconnecting(self._settings))
            gateways = await stack.enter_async_context(connect_gateways(self._settings))
            while True:
                try:
                    async with cassandra.connect(self._settings) as disk:
                        self._stores = Stores(
                            registry=await Registry.open(disk, memory, self._topology),
                            inbox=await InboxReader.open(disk),
                            seen=await LastSeen.open(disk, time.time),
                            heads=Heads(memory, len(self._topology.lane_names())),
                            presence=Presence(memory),
                            gateways=gateways,
                        )
                        await asyncio.Event().wait()
                except CassandraUnavailable as error:
                    self._trouble = str(error)
                    log.warning("accounts are not shown yet, trying again: %s", error)
                    await asyncio.sleep(_AGAIN_S)
