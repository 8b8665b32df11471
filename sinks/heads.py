"""Heads: the highest position of each lane of an account, raised in one trip with the reads of presence and devices."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from sinks.redis import Redis, RedisUnavailable, bulk, is_forgotten, script, usable

#: A head outlives every row it speaks of: a row lives for at most 7 days.
LIFE_S: Final = 8 * 86_400
UNKNOWN: Final = -1
SETTLED_S: Final = 60.0
log = logging.getLogger(__name__)

# A field is run id + lane: the heads of another life of Redis are not found, which means unknown; they are swept when
# the first head of this life is written. Decimal text is compared by length, then bytewise: exact to 64 bits, which a
# Lua number is not.
_RAISE: Final = script(b"""
local before, seq = redis.call('HGET', KEYS[1], ARGV[1]), ARGV[2]
if not before then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 8) ~= string.sub(ARGV[1], 1, 8) then redis.call('HDEL', KEYS[1], field) end
  end
end
if not before or #before < #seq or (#before == #seq and before < seq) then
  redis.call('HSET', KEYS[1], ARGV[1], seq)
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return before
""")

# A head that is unknown becomes what a reader found to be the end of its lane; never where one is known. The presence
# that the reader wrote before it read must still be there: if not, heads were lost as well, perhaps newer ones.
_FILL: Final = script(b"""
local value = redis.call('HGET', KEYS[2], ARGV[1])
if not value or string.sub(value, 1, 8) ~= ARGV[2] then return 0 end
for i = 4, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
""")


#: What one reader waits for.
Asked = asyncio.Future[tuple[int, ...]]


class AccountState(NamedTuple):
    """What Redis knew of an account: the head before the raise (-1 unknown), flat HGETALL replies of `p:` and `d:`."""

    prev: int
    presence: list[bytes]
    devices: list[bytes]


# What calling the class does, less a function of Python's for each.
_state: Final = partial(tuple.__new__, AccountState)


class _Forms(dict[tuple[int, int, int], list[bytes]]):
    """The three commands of an account, but for what stands between their parts: name, position, name, name.

    By its lane, and the bytes of its name and of the position; made when first needed.
    """

    def __init__(self, run_id: bytes) -> None:
        self.run_id = run_id  # of one life of Redis

    def __missing__(self, kind: tuple[int, int, int]) -> list[bytes]:
        lane, size, digits = kind
        parts = [bulk(b"EVALSHA"), bulk(_RAISE.digest), bulk(b"1"), b"$%d\r\nh:{\0}\r\n" % (size + 4)]
        parts += [bulk(self.run_id + b"%d" % lane), b"$%d\r\n\0\r\n" % digits, bulk(b"%d" % LIFE_S)]
        reads = [b"*2\r\n" + bulk(b"HGETALL") + b"$%d\r\n%b:{\0}\r\n" % (size + 4, key) for key in (b"p", b"d")]
        form = self[kind] = (b"*%d\r\n" % len(parts) + b"".join(parts + reads)).split(b"\0")
        return form


def _read_form(run_id: bytes, lanes: int) -> bytes:
    """The command that reads all heads of an account, with room for its name."""
    fields = [bulk(run_id + b"%d" % lane) for lane in range(lanes)]
    return b"*%d\r\n" % (2 + lanes) + bulk(b"HMGET") + b"$%d\r\nh:{%b}\r\n" + b"".join(fields)


class Heads:
    """Heads of accounts in Redis."""

    def __init__(self, redis: Redis, lanes: int, gap: float = 0.0) -> None:
        """`gap`: least time between two trips that read, s."""
        self.trips = 0  # of coalesced reads
        self._redis = redis
        self._lanes = lanes
        self._gap = gap
        self._forms = _Forms(b"")
        self._read_form = b"", b""  # of which life of Redis, and the form
        self._asked: dict[str, list[Asked]] = {}
        self._next_trip = 0.0  # by the loop's clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._life = b""
        self._since = 0.0  # when that life was first seen

    async def advance(self, tops: Mapping[tuple[str, int], int]) -> list[AccountState]:
        """Raise the heads of (account, lane) to these positions, then read presence and devices; in order of `tops`.

        All in one pipelined trip. A head is only ever raised. Raises RedisUnavailable.
        """
        errors = self._redis.errors
        replies = await self._trip(tops)
        if self._redis.errors != errors:
            replies = await self._mended(tops, replies)
        return list(map(_state, zip(_positions(tops, replies[::3]), replies[1::3], replies[2::3], strict=True)))

    async def _trip(self, tops: Mapping[tuple[str, int], int]) -> list[Any]:
        if self._forms.run_id != self._redis.run_id:
            self._forms = _Forms(self._redis.run_id)
        forms = self._forms
        out: list[bytes] = []
        for (account, lane), seq in tops.items():
            name, text = account.encode(), b"%d" % seq
            one, two, three, four, five = forms[lane, len(name), len(text)]
            out += one, name, two, text, three, name, four, name, five
        return await self._redis.pipeline(b"".join(out), 3 * len(tops))

    async def _mended(self, tops: Mapping[tuple[str, int], int], replies: list[Any]) -> list[Any]:
        """The replies without errors. Raises RedisUnavailable."""
        forgotten = [number for number, head in enumerate(replies[::3]) if is_forgotten(head)]
        if forgotten:  # a head raised after presence was read would break the order: all three again
            keys = list(tops)
            await self._redis.load_scripts()
            again = await self._trip({keys[number]: tops[keys[number]] for number in forgotten})
            for n, number in enumerate(forgotten):
                replies[3 * number : 3 * number + 3] = again[3 * n : 3 * n + 3]
        return [usable(reply) or ([] if number % 3 else None) for number, reply in enumerate(replies)]

    async def read(self, account: str) -> tuple[int, ...]:
        """The head of each lane, -1 where unknown. Raises RedisUnavailable."""
        return await self.ask(account)

    def ask(self, account: str) -> Asked:
        """What `read` waits for: the answer comes, or RedisUnavailable. Reads share a trip, one in each gap."""
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_at(self._next_trip, self._flush)
        asked: Asked = loop.create_future()  # one for each reader: the end of one is not another's
        self._asked.setdefault(account, []).append(asked)
        return asked

    def settled(self) -> bytes:
        """The life of Redis, for `fill`; empty until it has been the same for so long that every `store` knows it too:
        one that has not heard of a failover raises its heads in the former life."""
        now = time.monotonic()
        if self._redis.run_id != self._life:
            self._life, self._since = self._redis.run_id, now
        return self._life if now - self._since >= SETTLED_S else b""

    async def fill(self, account: str, device: str, epoch: int, run_id: bytes, ends: Mapping[int, int]) -> bool:
        """Make unknown heads known: lane -> its last position, as a device read it that had registered with `epoch` in
        the life `run_id` of Redis. False where its presence has gone. Raises RedisUnavailable.
        """
        name = account.encode()
        fields = [part for lane, end in ends.items() for part in (run_id + b"%d" % lane, b"%d" % end)]
        arguments = (device.encode(), epoch.to_bytes(8, "big"), b"%d" % LIFE_S, *fields)
        (reply,) = await self._redis.run(_FILL.call((b"h:{%b}" % name, b"p:{%b}" % name), *arguments))
        return bool(usable(reply))

    def _flush(self) -> None:
        asked, self._asked = self._asked, {}
        self._next_trip = asyncio.get_running_loop().time() + self._gap
        self.trips += 1
        task = asyncio.create_task(self._answer(asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: Mapping[str, Sequence[Asked]]) -> None:
        life, form = self._read_form
        if life != self._redis.run_id:
            life = self._redis.run_id
            form = _read_form(life, self._lanes)
            self._read_form = life, form
        names = [account.encode() for account in asked]
        try:
            replies = await self._redis.pipeline(b"".join([form % (len(n) + 4, n) for n in names]), len(names))
        except RedisUnavailable as error:
            for waiting in asked.values():
                _fail(waiting, error)
            return
        for (account, waiting), reply in zip(asked.items(), replies, strict=True):
            try:
                heads = tuple([_position(head, account) for head in usable(reply) or [None] * self._lanes])
            except RedisUnavailable as error:
                _fail(waiting, error)
                continue
            for future in waiting:
                if not future.done():  # its reader has gone
                    future.set_result(heads)


def _fail(waiting: Iterable[Asked], error: RedisUnavailable) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(error)


def _positions(tops: Iterable[tuple[str, int]], heads: Sequence[Any]) -> list[int]:
    try:
        return [UNKNOWN if head is None else int(head) for head in heads]
    except ValueError:  # which one it is, and the others all the same
        return [_position(head, account) for (account, _), head in zip(tops, heads, strict=True)]


def _position(reply: Any, account: str) -> int:
    """A head as a number; unknown where there is none, or something else stands in its place."""
    head = usable(reply)
    if head is None:
        return UNKNOWN
    try:
        return int(head)
    except ValueError:
        log.error("the head of account %s is no number: %r", account, head)
        return UNKNOWN
