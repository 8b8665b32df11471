"""The registry of devices: Cassandra holds it, Redis has a copy by account for the stage `store`."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from sinks.cassandra import Cassandra
from sinks.redis import Redis, command, script, usable
from streams.sizes import MAX_DEVICES
from streams.targets import CACHED, DEVICE, parse_version
from streams.topology import Topology

#: How long a copy is kept in Redis, and how long a registration is remembered against fills that began before it.
COPY_LIFE_S: Final = 6 * 3600
MARK_LIFE_S: Final = 3600
_READS: Final = 64
_PUT: Final = (
    "INSERT INTO devices (account, id, type, app_version, platform, push_token, capabilities, registered) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_LIST: Final = (
    "SELECT id, type, app_version, platform, push_token, capabilities, registered FROM devices WHERE account = ?"
)
_GET: Final = _LIST + " AND id = ?"
_SOME: Final = "SELECT id FROM devices WHERE account = ? LIMIT ?"
_WRITTEN: Final = "SELECT push_token, WRITETIME(push_token) FROM devices WHERE account = ? AND id = ?"
_FORGET: Final = "UPDATE devices USING TIMESTAMP ? SET push_token = '' WHERE account = ? AND id = ?"
_DELETE: Final = "DELETE FROM devices WHERE account = ? AND id = ?"
#: A flat reply of HGETALL: fields and values in turn.
Flat = list[bytes]
log = logging.getLogger(__name__)

# A registration leaves a mark that no other one left, and drops the copy, both before and after its write. A copy is
# only filled if the mark is the one that was read before Cassandra: so it never hides a newer registration.
_MARK: Final = script(b"""
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return redis.call('DEL', KEYS[1])
""")
_FILL: Final = script(b"""
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
""")


class Device(msgspec.Struct, frozen=True):
    """A registered device. `registered` is in ms since 1970; `token` is what its platform wakes it by."""

    id: str
    type: str
    app_version: str
    platform: str = "socket"
    token: str = ""
    capabilities: tuple[str, ...] = ()
    registered: int = 0


class Codec:
    """A device as a value of its account's copy in Redis."""

    def __init__(self, types: Mapping[str, int], platforms: Sequence[str]) -> None:
        self._types = types
        self._platforms = {name: number for number, name in enumerate(platforms)}

    def check(self, device: Device) -> None:
        """Raise ValueError for a device that the topology does not know how to target."""
        if not device.id:
            raise ValueError("a device has an id")
        if device.type not in self._types:
            raise ValueError(f"unknown device type {device.type!r}; known: {', '.join(self._types)}")
        parse_version(device.app_version)

    def encode(self, device: Device) -> bytes:
        """The value. A token of a platform that is not there is left out: such a device has its inbox only."""
        number = self._platforms.get(device.platform)
        value = DEVICE.pack(self._types.get(device.type, 0), _version(device), number or 0)
        return value if number is None else value + device.token.encode()

    def copy(self, devices: Sequence[Device]) -> Flat:
        """The copy of an account, fields and values in turn, with the field that marks it as read."""
        flat = [CACHED, b""]
        for device in devices:
            flat += (device.id.encode(), self.encode(device))
        return flat


def codec(topology: Topology) -> Codec:
    """The codec for the device types and platforms of a topology."""
    return Codec({name: topology.type_bit(name) for name in topology.device_types}, tuple(topology.platforms))


def is_cached(copy: Sequence[bytes]) -> bool:
    """Whether a flat reply holds a copy: an account without devices has one too."""
    return CACHED in copy[::2]


class Statements(msgspec.Struct, frozen=True):
    """The prepared statements of the registry."""

    put: Any
    get: Any
    list: Any
    some: Any
    delete: Any
    written: Any
    forget: Any


class Registry:
    """Devices by account. Methods that write raise RedisUnavailable and CassandraUnavailable: then do it again."""

    def __init__(self, cassandra: Cassandra, redis: Redis, codec: Codec, statements: Statements) -> None:
        self.fills = 0  # copies filled
        self.refused_fills = 0  # overtaken by a registration
        self._execute = cassandra.execute
        self._redis = redis
        self._codec = codec
        self._statements = statements
        self._reads = asyncio.Semaphore(_READS)

    @classmethod
    async def open(cls, cassandra: Cassandra, redis: Redis, topology: Topology) -> Registry:
        """A registry with its statements prepared. Raises CassandraUnavailable."""
        prepare = cassandra.prepare
        texts = (_PUT, _GET, _LIST, _SOME, _DELETE, _WRITTEN, _FORGET)
        statements = Statements(*[await prepare(text) for text in texts])
        return cls(cassandra, redis, codec(topology), statements)

    async def put(self, account: str, device: Device) -> None:
        """Register a device, or change its registration. Raises ValueError for one that cannot be targeted."""
        self._codec.check(device)
        d = device
        capabilities = msgspec.msgpack.encode(d.capabilities)
        values = (account, d.id, d.type, d.app_version, d.platform, d.token, capabilities, d.registered)
        await self._mark(account)
        await self._execute(self._statements.put, values)
        await self._mark(account)

    async def get(self, account: str, device: str) -> Device | None:
        """One device. Raises CassandraUnavailable."""
        rows = await self._execute(self._statements.get, (account, device))
        return _device(*rows[0]) if rows else None

    async def list(self, account: str) -> Sequence[Device]:
        """All devices of an account, by id. Raises CassandraUnavailable."""
        return [_device(*row) for row in await self._execute(self._statements.list, (account,))]

    async def is_full(self, account: str) -> bool:
        """Whether an account has as many devices as it may. Raises CassandraUnavailable."""
        return len(await self._execute(self._statements.some, (account, MAX_DEVICES))) >= MAX_DEVICES

    async def copy(self, account: str) -> Flat:
        """The copy of an account as `store` sees it, which is not filled by this. Raises what `load` raises."""
        (reply,) = await self._redis.call(command(b"HGETALL", _keys(account)[0]))
        flat: Flat = usable(reply) or []
        return flat if is_cached(flat) else self._codec.copy(await self.list(account))

    async def delete(self, account: str, device: str) -> bool:
        """Forget a device; False if there was none."""
        if await self.get(account, device) is None:
            return False
        await self._mark(account)
        await self._execute(self._statements.delete, (account, device))
        await self._mark(account)
        return True

    async def drop_copy(self, account: str) -> None:
        """Drop the copy of an account, before and after its devices change in another way. Raises RedisUnavailable."""
        await self._mark(account)

    async def forget(self, account: str, device: str, token: str, at: int) -> bool:
        """Forget the token by which a platform woke a device, which stays registered.

        False where another token stands, or this one was registered after `at`, ms (0: at any time). The write is just
        younger than the registration that was read, so a newer one wins, whichever comes first.
        """
        rows = await self._execute(self._statements.written, (account, device))
        found, written = rows[0] if rows else ("", 0)
        if found != token or not token or (at and written > at * 1000):
            return False
        await self._mark(account)
        await self._execute(self._statements.forget, (written + 1, account, device))
        await self._mark(account)
        return True

    async def load(self, accounts: Collection[str]) -> dict[str, Flat]:
        """Read accounts from Cassandra and fill their copies in Redis; gives the copies as flat replies of HGETALL.

        A registration in the meantime refuses the fill; what was read is returned all the same: the device that
        registered then starts at heads that are at least as new. Raises RedisUnavailable and CassandraUnavailable.
        """
        names = list(accounts)
        marks = await self._redis.call(*(command(b"GET", _mark_key(name)) for name in names))
        lists = await asyncio.gather(*(self._limited(name) for name in names))
        copies = {name: self._codec.copy(devices) for name, devices in zip(names, lists, strict=True)}
        filled = await self._redis.run(
            *(
                _FILL.call(_keys(name), usable(mark) or b"", b"%d" % COPY_LIFE_S, *copies[name])
                for name, mark in zip(names, marks, strict=True)
            )
        )
        done = sum(usable(reply) or 0 for reply in filled)
        self.fills += done
        self.refused_fills += len(names) - done
        return copies

    async def _limited(self, account: str) -> Sequence[Device]:
        async with self._reads:
            return await self.list(account)

    async def _mark(self, account: str) -> None:
        (reply,) = await self._redis.run(_MARK.call(_keys(account), secrets.token_bytes(8), b"%d" % MARK_LIFE_S))
        usable(reply)


def _keys(account: str) -> tuple[bytes, bytes]:
    return b"d:{%b}" % account.encode(), _mark_key(account)


def _mark_key(account: str) -> bytes:
    return b"dg:{%b}" % account.encode()


def _version(device: Device) -> int:
    try:
        return parse_version(device.app_version)
    except ValueError:
        log.error("device %s is registered with version %r", device.id, device.app_version)
        return 0


def _device(
    device: str, kind: str, app_version: str, platform: str, token: str, capabilities: bytes, registered: int
) -> Device:
    known = msgspec.msgpack.decode(capabilities, type=tuple[str, ...])
    return Device(device, kind, app_version, platform, token, known, registered)
