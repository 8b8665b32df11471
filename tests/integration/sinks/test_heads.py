"""Heads on a real Redis: they only rise, are exact to 64 bits, and belong to one life of the server."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from sinks.heads import LIFE_S, Heads
from sinks.presence import Presence
from sinks.redis import Redis, RedisUnavailable, ReplyError, command, connect
from streams.settings import Settings

LANES = 4
BASE = 1 << 62


async def _up(heads: Heads, account: str, seq: int, lane: int = 0) -> int:
    (state,) = await heads.advance({(account, lane): seq})
    return state.prev


async def test_prev_is_the_head_before(memory: Redis, account: str) -> None:
    """Neighbours above 2^53 are told apart; a copy is answered with a head at or above it."""
    heads = Heads(memory, LANES)
    prevs = [await _up(heads, account, BASE + n) for n in (1, 2, 2, 1, 3)]
    assert prevs == [-1, BASE + 1, BASE + 2, BASE + 2, BASE + 2]
    assert await heads.read(account) == (BASE + 3, -1, -1, -1)


async def test_positions_are_compared_as_numbers(memory: Redis, account: str) -> None:
    """Not as text: 9 is below 10."""
    heads = Heads(memory, LANES)
    assert [await _up(heads, account, n) for n in (9, 10, 99, 100, 98)] == [-1, 9, 10, 99, 100]


async def test_one_trip_raises_and_reads_in_order(memory: Redis, account: str) -> None:
    """Lanes are apart; presence and devices come as they are; the key outlives every row."""
    tag = account.encode()
    await memory.call(command(b"HSET", b"p:{%b}" % tag, b"tv", b"1"), command(b"HSET", b"d:{%b}" % tag, b"tv", b"2"))
    heads = Heads(memory, LANES)
    tops = {(account, 0): 5, (f"{account}-2", 1): 6, (account, 3): 7}
    states = await heads.advance(tops)
    assert states == [(-1, [b"tv", b"1"], [b"tv", b"2"]), (-1, [], []), (-1, [b"tv", b"1"], [b"tv", b"2"])]
    reads = await asyncio.gather(*map(heads.read, (account, account, f"{account}-2")))
    assert reads == [(5, -1, -1, 7), (5, -1, -1, 7), (-1, 6, -1, -1)]
    assert heads.trips == 1
    (life,) = await memory.call(command(b"TTL", b"h:{%b}" % tag))
    assert LIFE_S - 60 < life <= LIFE_S
    assert await heads.advance({}) == []


async def test_two_writers_make_one_chain(store_settings: Settings, memory: Redis, account: str) -> None:
    """A zombie beside the owner: the head never falls, and each raise hangs on the one before it."""
    field, falls, seen, running = memory.run_id + b"0", [], [], True

    async def write(heads: Heads, seqs: list[int]) -> None:
        for seq in seqs:
            prev = await _up(heads, account, seq)
            seen.append((seq, prev))

    async def watch(redis: Redis) -> None:
        last = 0
        while running:
            (value,) = await redis.call(command(b"HGET", b"h:{%b}" % account.encode(), field))
            if int(value or 0) < last:
                falls.append((last, value))
            last = int(value or 0)

    async with connect(store_settings) as zombie, connect(store_settings) as third:
        watching = asyncio.create_task(watch(third))
        every = list(range(BASE, BASE + 1000))
        some = sorted(random.Random(2).sample(every, 700))
        await asyncio.gather(write(Heads(memory, LANES), every), write(Heads(zombie, LANES), some))
        running = False
        await watching
    raises = sorted((seq, prev) for seq, prev in seen if prev < seq)
    assert not falls
    assert len({seq for seq, _ in raises}) == len(raises)
    assert all(after[1] == before[0] for before, after in pairwise(raises))
    assert all(prev >= seq for seq, prev in seen if (seq, prev) not in set(raises))


async def test_the_heads_of_another_life_are_unknown(memory: Redis, account: str) -> None:
    """A server that restarted may have lost the newest: what it had is never taken for the head; old fields go."""
    heads = Heads(memory, LANES)
    await _up(heads, account, BASE + 9)
    memory._run_id = b"ffffffff"
    assert await heads.read(account) == (-1,) * LANES
    assert [await _up(heads, account, BASE + n) for n in (4, 5)] == [-1, BASE + 4]
    fields = (await memory.call(command(b"HKEYS", b"h:{%b}" % account.encode())))[0]
    assert fields == [b"ffffffff0"]


async def test_forgotten_scripts_are_loaded_again(memory: Redis, account: str) -> None:
    """Head, presence and devices of such accounts are read again, all three."""
    heads = Heads(memory, LANES)
    await _up(heads, account, 1)
    await memory.call(command(b"SCRIPT", b"FLUSH"))
    assert [s.prev for s in await heads.advance({(account, 0): 2, (f"{account}-2", 0): 3})] == [1, -1]
    assert await _up(heads, account, 4) == 2


async def test_keys_with_foreign_values_count_as_unknown(memory: Redis, account: str) -> None:
    """They stop neither the account nor its neighbours."""
    tag = account.encode()
    await memory.call(*(command(b"SET", b"%b:{%b}" % (key, tag), b"x") for key in (b"h", b"p", b"d")))
    heads = Heads(memory, LANES)
    assert await heads.advance({(account, 0): 5, (f"{account}-2", 0): 6}) == [(-1, [], []), (-1, [], [])]
    assert await heads.read(account) == (-1,) * LANES
    await memory.call(command(b"HSET", b"h:{%b-3}" % tag, memory.run_id + b"0", b"many"))
    assert await heads.read(f"{account}-3") == (-1,) * LANES
    assert isinstance((await memory.call(command(b"HGET", b"h:{%b}" % tag, b"f")))[0], ReplyError)


async def test_unknown_heads_are_filled_where_the_reader_is_still_registered(
    memory: Redis, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known heads stay; nothing is filled after the reader's presence was lost, nor in another life."""
    heads, presence = Heads(memory, LANES), Presence(memory)
    epoch = await presence.register(account, "tv", 1, 1, 1)
    assert heads.settled() == b""
    monkeypatch.setattr("sinks.heads.SETTLED_S", 0.0)
    life = heads.settled()
    await heads.advance({(account, 1): 7})
    assert await heads.fill(account, "tv", epoch, life, {0: 0, 1: 5, 2: 9})
    assert await heads.read(account) == (0, 7, 9, -1)
    (state,) = await heads.advance({(account, 2): 10})
    assert state.prev == 9
    assert await heads.fill(account, "tv", epoch, b"another1", {3: 4})
    assert not await heads.fill(account, "tv", epoch - 1, life, {3: 4})
    await presence.remove(account, "tv", epoch)
    assert not await heads.fill(account, "tv", epoch, life, {3: 4})
    assert await heads.read(account) == (0, 7, 10, -1)


async def test_reads_of_one_turn_share_a_trip_and_the_end_of_one_reader_is_not_anothers(
    memory: Redis, account: str
) -> None:
    """Three of one account, one of another; one of the three goes away meanwhile."""
    heads = Heads(memory, LANES)
    await _up(heads, account, 7)
    readers = [asyncio.create_task(heads.read(name)) for name in (account, account, account, account + "-2")]
    await asyncio.sleep(0)
    readers[0].cancel()
    gone, *found = await asyncio.gather(*readers, return_exceptions=True)
    assert isinstance(gone, asyncio.CancelledError)
    assert found == [(7, -1, -1, -1)] * 2 + [(-1,) * LANES]
    assert heads.trips == 1


async def test_all_readers_hear_of_a_redis_that_is_away(store_settings: Settings, account: str) -> None:
    """Also those of one account; one that has gone already hears nothing."""
    async with connect(store_settings) as memory:
        heads = Heads(memory, LANES)
    readers = [asyncio.create_task(heads.read(account)) for _ in range(3)]
    await asyncio.sleep(0)
    readers[0].cancel()
    found = await asyncio.gather(*readers, return_exceptions=True)
    assert [type(each) for each in found] == [asyncio.CancelledError, RedisUnavailable, RedisUnavailable]
