"""Gateways: each holds a lease while it is alive, and with it all the devices connected to it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

from sinks.redis import Redis, RedisUnavailable, command, reconnecting, script, usable
from streams.settings import Settings
from streams.targets import PRESENCE_LIFE_MS

_INDEX: Final = b"gateways"
_LAST_NUMBER: Final = b"gateways:last"
_REFRESH_S: Final = 1.0
_OTHERS, _MADE = 0, 1
log = logging.getLogger(__name__)

_RENEW: Final = script(b"""
local there = redis.call('GET', KEYS[1])
if there and there ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return there and 2 or 1
""")
_RELEASE: Final = script(b"""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")
# A number stays listed for as long as presence may name it, so that a lapsed lease is told from an unknown gateway.
_LIST: Final = script(b"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
return redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
""")


class GatewayAddress(NamedTuple):
    """Where push workers reach a gateway (`host:port` of its push port), in which of its lives."""

    incarnation: int
    address: str


class Lease:
    """The lease of this gateway, renewed three times in its length; an async context manager.

    `lapsed` counts how often it was found gone: the devices then counted as offline, so register and sync them again.
    `number` and `incarnation` may be others afterwards.
    """

    def __init__(self, redis: Redis, address: str, length: float) -> None:
        self.number = self.incarnation = self.lapsed = 0
        self._redis = redis
        self._address = address
        self._length = length
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Take a number. Raises RedisUnavailable."""
        await self._take()
        self._task = asyncio.create_task(self._keep(), name="lease")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it: the gateway's devices are offline at once."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(RedisUnavailable):
            await self._redis.run(_RELEASE.call((_key(self.number),), self._value()))

    async def renew(self) -> None:
        """Renew the lease now; take a new number if another gateway holds this one. Raises RedisUnavailable."""
        state = await self._renew()
        if state == _OTHERS:
            log.error("gateway number %d belongs to another gateway: taking a new one", self.number)
            await self._take()
        if state in (_OTHERS, _MADE):
            self.lapsed += 1
            log.warning("the lease of gateway %d had lapsed (%d times so far)", self.number, self.lapsed)

    async def _take(self) -> None:
        """A number nobody holds; the incarnation tells it from a holder that Redis has forgotten."""
        while True:
            (last,) = await self._redis.call(command(b"INCR", _LAST_NUMBER))
            self.number = int(usable(last)) & 0xFFFFFFFF
            self.incarnation = 1 + secrets.randbelow(0xFFFF)
            if await self._renew() != _OTHERS:
                return

    async def _renew(self) -> int:
        lease = _RENEW.call((_key(self.number),), self._value(), b"%d" % (self._length * 1000))
        listing = _LIST.call((_INDEX,), b"%d" % self.number, b"%d" % (2 * PRESENCE_LIFE_MS))
        state, listed = await self._redis.run(lease, listing)
        usable(listed)
        return int(usable(state) or 0)

    async def _keep(self) -> None:
        pause = self._length / 3
        while True:
            await asyncio.sleep(pause)
            try:
                await self.renew()
                pause = self._length / 3
            except RedisUnavailable as error:
                log.warning("the lease of gateway %d cannot be renewed: %s", self.number, error)
                pause = min(0.2, self._length / 3)

    def _value(self) -> bytes:
        return b"%d %b" % (self.incarnation, self._address.encode())


class Gateways:
    """What is known of all gateways, read anew each second. While Redis is away the last view stands."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._view: dict[int, GatewayAddress | None] = {}
        self._incarnations: Mapping[int, int | None] = {}

    @property
    def incarnations(self) -> Mapping[int, int | None]:
        """The incarnation of each gateway, None where its lease lapsed. One that is not in it may be new."""
        return self._incarnations

    def address(self, number: int) -> GatewayAddress | None:
        """Where a gateway is reached; None if its lease lapsed or it is not known."""
        return self._view.get(number)

    async def refresh(self) -> None:
        """Read the leases now. Raises RedisUnavailable."""
        (members,) = await self._redis.call(command(b"ZRANGE", _INDEX, b"0", b"-1"))
        numbers = [number for member in usable(members) or [] if (number := _number(member)) is not None]
        leases = await self._redis.call(*(command(b"GET", _key(number)) for number in numbers))
        self._view = {number: _parse(usable(lease)) for number, lease in zip(numbers, leases, strict=True)}
        self._incarnations = {n: None if lease is None else lease.incarnation for n, lease in self._view.items()}

    async def follow(self) -> None:
        """Refresh each second until cancelled."""
        while True:
            await asyncio.sleep(_REFRESH_S)
            try:
                await self.refresh()
            except RedisUnavailable as error:
                log.warning("the view of the gateways stays as it was: %s", error)


@asynccontextmanager
async def connect_gateways(settings: Settings) -> AsyncIterator[Gateways]:
    """A live view on a connection of its own; empty until Redis is there."""
    async with reconnecting(settings) as redis:
        gateways = Gateways(redis)
        with suppress(RedisUnavailable):
            await gateways.refresh()
        task = asyncio.create_task(gateways.follow(), name="gateways")
        try:
            yield gateways
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _key(number: int) -> bytes:
    return b"gw:{%d}" % number


def _parse(lease: bytes | None) -> GatewayAddress | None:
    if lease is None:
        return None
    incarnation, _, address = lease.partition(b" ")
    try:
        return GatewayAddress(int(incarnation), address.decode())
    except ValueError:
        log.error("no gateway wrote this lease: %r", lease)
        return None


def _number(member: bytes) -> int | None:
    try:
        return int(member)
    except ValueError:
        log.error("this is no number of a gateway: %r", member)
        return None
