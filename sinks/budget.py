"""Budgets in Redis, shared by all workers: what a provider takes for one device, and for one project, in a time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from sinks.each import Answer, Note
from sinks.redis import Redis, RedisUnavailable, bulk, script, usable

log = logging.getLogger(__name__)

# Each budget of a device is kept as the time (us) at which it would be full again; a use moves it by `every`. Of those
# that a use needs all must have room, or none is used. Without room, the first to ask is the one that wakes the device
# later.
_USE: Final = script(b"""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept, full, last = redis.call('HGETALL', KEYS[2]), {}, now
for i = 1, #kept, 2 do
  full[kept[i]] = tonumber(kept[i + 1])
  last = math.max(last, full[kept[i]])
end
local wait, changed = 0, {}
for i = 2, #ARGV, 3 do
  local burst, every = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local ends = math.max(full[ARGV[i]] or 0, now) + every
  changed[#changed + 1], changed[#changed + 2] = ARGV[i], string.format('%.0f', ends)
  last = math.max(last, ends)
  wait = math.max(wait, ends - now - burst * every)
end
if wait <= 0 then
  redis.call('HSET', KEYS[2], unpack(changed))
  redis.call('PEXPIRE', KEYS[2], math.ceil((last - now) / 1000))
  return 0
end
wait = math.ceil(wait / 1000)
if ARGV[1] == '1' or redis.call('SET', KEYS[1], '1', 'NX', 'PX', wait) then return wait end
return -wait
""")
# What was not sent after all uses nothing up.
_GIVE_BACK: Final = script(b"""
for i = 1, #ARGV, 2 do
  local full = redis.call('HGET', KEYS[1], ARGV[i])
  if full then redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', tonumber(full) - tonumber(ARGV[i + 1]))) end
end
""")
# Takes as many as there are, above a reserve for those who are more urgent; the wait is until one more is there.
_TAKE: Final = script(b"""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local burst, every, wanted, reserve = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local room = math.floor((burst * every - (full - now)) / every) - reserve
local taken = math.max(0, math.min(wanted, room))
if taken > 0 then
  full = full + taken * every
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
end
return {taken, math.ceil(math.max(every, (reserve + 1) * every - (burst * every - (full - now))) / 1000)}
""")


class Rate(NamedTuple):
    """So many at once, then one in every so many us."""

    name: bytes
    burst: int
    every: int


class Quota(NamedTuple):
    """What a project may send: the name of the project, and its rate; a tenth of it is kept from each lower lane."""

    name: bytes
    rate: Rate


class Budget:
    """Says for each note whether it may go now. While Redis is away all may: the provider counts too."""

    def __init__(
        self, redis: Redis, platform: str, rates: Callable[[Note], tuple[Rate, ...]], quota: Quota | None = None
    ) -> None:
        self.exceeded = 0
        self._redis = redis
        self._platform = platform.encode()
        self._rates = rates
        self._quota = quota

    async def admit(self, notes: Sequence[Note]) -> Sequence[Answer | None]:
        """None for a note that may go. Otherwise it stays in the inbox, and the device gets one wake-up when it may."""
        try:
            waits = await self._ask(notes)
        except RedisUnavailable as error:
            log.warning("budgets are not counted: %s", error)
            return [None] * len(notes)
        answers = [_answer(wait) for wait in waits]
        self.exceeded += sum(answer is not None for answer in answers)
        return answers

    async def _ask(self, notes: Sequence[Note]) -> list[int]:
        """Ms to wait for each, 0 for those that may go; negative where the device's wake-up is on its way."""
        uses = [self._use(note) for note in notes]
        asked = [use for use in uses if use is not None]
        replies = iter(await self._redis.run(*asked) if asked else ())
        waits = [0 if use is None else int(usable(next(replies)) or 0) for use in uses]
        if self._quota is not None:
            await self._take(self._quota, notes, waits)
        return waits

    def _use(self, note: Note) -> bytes | None:
        rates = self._rates(note)
        return self._asked(note, rates) if rates else None

    def _asked(self, note: Note, rates: tuple[Rate, ...]) -> bytes:
        head, tail = _around_keys(rates, note.push.wake == "sync" and note.push.attempt > 0)
        name = self._name(note)
        return head + bulk(b"wk:{%b}" % name) + bulk(b"bg:{%b}" % name) + tail

    def _name(self, note: Note) -> bytes:
        return self._platform + b":" + hashlib.blake2b(note.token, digest_size=12).hexdigest().encode()

    async def _take(self, quota: Quota, notes: Sequence[Note], waits: list[int]) -> None:
        """Let those go that the project's quota has room for, the more urgent first; others wait for their turn."""
        going = sorted((place for place, wait in enumerate(waits) if not wait), key=lambda at: notes[at].push.lane)
        by_lane: dict[int, list[int]] = {}
        for place in going:
            by_lane.setdefault(notes[place].push.lane, []).append(place)
        for lane, places in by_lane.items():
            taken, wait = await self._taken(quota, len(places), lane)
            late = places[taken:]
            if late:
                commands = [self._first(notes[place], wait) for place in late]
                commands += [self._given_back(notes[place]) for place in late]
                replies = await self._redis.run(*commands)
                for place, first in zip(late, replies, strict=False):
                    waits[place] = int(usable(first) or wait)

    async def _taken(self, quota: Quota, wanted: int, lane: int) -> tuple[int, int]:
        burst, every = quota.rate.burst, quota.rate.every
        reserve = min(lane, 9) * burst // 10
        numbers = [b"%d" % number for number in (burst, every, wanted, reserve)]
        (reply,) = await self._redis.run(_TAKE.call((b"qt:{%b}" % quota.name,), *numbers))
        found = usable(reply) or (wanted, 0)
        return int(found[0]), int(found[1])

    def _first(self, note: Note, wait: int) -> bytes:
        """Use a budget that is used up: its answer says who wakes the device."""
        return self._asked(note, (Rate(b"quota", 0, wait * 1000),))

    def _given_back(self, note: Note) -> bytes:
        """What the device's own budgets were asked for: the project had no room for it."""
        uses = [part for rate in self._rates(note) for part in (rate.name, b"%d" % rate.every)]
        return _GIVE_BACK.call((b"bg:{%b}" % self._name(note),), *uses)


@lru_cache(maxsize=64)
def _around_keys(rates: tuple[Rate, ...], is_wake_up: bool) -> tuple[bytes, bytes]:
    """What stands before and behind the keys of a use; `is_wake_up`: it is the one that its device was promised."""
    numbers = [part for rate in rates for part in (rate.name, b"%d" % rate.burst, b"%d" % rate.every)]
    head, tail = _USE.call((b"", b""), b"%d" % is_wake_up, *numbers).split(2 * bulk(b""))
    return head, tail


def _answer(wait: int) -> Answer | None:
    if not wait:
        return None
    if wait > 0:
        return Answer("later", "over budget: a wake-up instead", after=wait, tried=True, sync=True)
    return Answer("refused", "over budget: a wake-up is on its way")
