"""Presence: which devices of an account are online, and at which gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sinks.gateways import GatewayAddress, Gateways, Lease, connect_gateways
from sinks.redis import Redis, command, script, usable
from streams.targets import PRESENCE, PRESENCE_LIFE_MS

__all__ = ["GatewayAddress", "Gateways", "Lease", "Presence", "Registration", "connect_gateways"]

_EPOCH_BYTES: Final = 8

# The epoch is the time at which Redis took the registration, or one later than the epoch that is there. A connection
# that registers again keeps its epoch, and is refused where a later connection stands. Entries of connections that
# must have ended are swept: a hash field has no expiry of its own.
_REGISTER: Final = script(b"""
local key, device, place, given, life = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stood = 0
local entries = redis.call('HGETALL', key)
for i = 1, #entries, 2 do
  local epoch = #entries[i + 1] == 16 and struct.unpack('>I8', entries[i + 1]) or 0
  if entries[i] == device then
    stood = epoch
  elseif epoch < now - life then
    redis.call('HDEL', key, entries[i])
  end
end
local epoch = given
if given < 0 then epoch = math.max(now, stood + 1) end
if epoch < stood then return 0 end
redis.call('HSET', key, device, struct.pack('>I8', epoch) .. place)
redis.call('PEXPIRE', key, life)
return epoch
""")
_REMOVE: Final = script(b"""
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and string.sub(value, 1, 8) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
""")


class Registration(NamedTuple):
    """The presence of one connection, as `register` made it."""

    account: str
    device: str
    epoch: int


class Presence:
    """Writes presence, fenced by epoch: neither a late registration nor a late removal undoes a newer one."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def register(
        self, account: str, device: str, gateway: int, incarnation: int, type_bit: int, epoch: int = -1
    ) -> int:
        """Note that a device is online at a gateway; gives the epoch (ms) of the entry.

        Without `epoch` this is a new connection, which replaces any other. With it, a connection registers again under
        the epoch it had, after Redis lost it; 0 says that a newer connection stands. Raises RedisUnavailable.
        """
        place = PRESENCE.pack(0, gateway, incarnation, type_bit)[_EPOCH_BYTES:]
        arguments = (device.encode(), place, b"%d" % epoch, b"%d" % PRESENCE_LIFE_MS)
        (reply,) = await self._redis.run(_REGISTER.call((_key(account),), *arguments))
        return int(usable(reply) or 0)

    async def remove(self, account: str, device: str, epoch: int) -> bool:
        """Note that a connection ended; False if another one stands, or none. Raises RedisUnavailable."""
        return (await self.remove_all([Registration(account, device, epoch)]))[0]

    async def remove_all(self, registrations: Sequence[Registration]) -> list[bool]:
        """`remove` for many, in one trip. Raises RedisUnavailable."""
        replies = await self._redis.run(
            *(
                _REMOVE.call((_key(account),), device.encode(), epoch.to_bytes(_EPOCH_BYTES, "big"))
                for account, device, epoch in registrations
            )
        )
        return [bool(usable(reply)) for reply in replies]

    async def read(self, account: str) -> list[bytes]:
        """All entries of an account as `streams.targets` reads them: device and value in turn. RedisUnavailable."""
        (reply,) = await self._redis.call(command(b"HGETALL", _key(account)))
        return usable(reply) or []


def _key(account: str) -> bytes:
    return b"p:{%b}" % account.encode()
