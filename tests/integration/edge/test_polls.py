"""Long polls, encodings, limits and answers without the inbox, on a real edge."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from typing import Any

import aiohttp
import pytest
from backports import zstd
from lockstep_client import Page, Refused

from deploy.local.servers import Running as Servers
from edge import cursor as cursors
from edge.protocol import Session, State
from sinks import redis
from tests.integration.edge.conftest import DEADLINE, House, Houses, seq_of, until
from tests.integration.edge.test_pull import get


async def waiting(house: House, device: str = "tv-1") -> asyncio.Task[Page]:
    """A long poll that is known to wait: it has read what there was, and only a push ends it."""
    client = house.client(device)

    async def poll() -> Page:
        async with client:
            await client.pull()
            return await client.pull(wait=20)

    before = session_of(house, device)
    task = asyncio.create_task(poll())

    def waits() -> bool:
        session = session_of(house, device)
        return session is not None and session is not before and session.state is State.LIVE

    await until(waits, "the poll waits")
    return task


def session_of(house: House, device: str) -> Session | None:
    """The connection or long poll that a device has here."""
    sessions = house.edge.gateway.sessions.all()
    return next((each for each in sessions if (each.account, each.device) == (house.account, device)), None)


async def gone(house: House, device: str = "tv-1") -> None:
    """Wait until the device is not online."""

    async def absent() -> bool:
        return device not in await house.presence()

    await until(absent, "presence has gone")


def numbers(page: Page) -> list[int]:
    """The events of a page."""
    return [item["data"]["n"] for item in page.items]


async def test_a_delivery_ends_the_wait(house: House) -> None:
    """Also the first of an account, whose push has no number before it; the device may ask again at once."""
    for number in (1, 2):
        task = await waiting(house)
        (prev,) = await house.store(1, number)
        await house.push(house.note(1, prev, number, ("tv-1",)))
        page = await asyncio.wait_for(task, 10)
        assert numbers(page)[-1:] == [number]
        assert page.poll_after == 0
        await gone(house)


async def test_what_is_for_others_does_not_end_the_wait(house: House) -> None:
    """The number passes, and the next push is its own."""
    (prev,) = await house.store(1, 1)
    task = await waiting(house)
    (prev,) = await house.store(1, 2)
    assert await house.push(house.note(1, prev, 2, (), ("tv-1",))) == [200]
    (prev,) = await house.store(1, 3)
    assert not task.done()
    assert await house.push(house.note(1, prev, 3, ("tv-1",))) == [200]
    assert numbers(await asyncio.wait_for(task, 10)) == [2, 3]


async def test_a_wait_that_ends_with_nothing(house: House) -> None:
    """304 for a device that has the tag, else an empty page with the cursor that it came with."""
    for lane in range(4):
        await house.store(lane, lane + 1)
    _, first, headers = await get(house, "tv-1/notifications")
    path = f"tv-1/notifications?wait=1&cursor={first['next_cursor']}"
    began = time.monotonic()
    status, _, _ = await get(house, path, **{"If-None-Match": headers["ETag"]})
    assert status == 304
    assert time.monotonic() - began > 0.9
    status, body, _ = await get(house, path)
    assert (status, body["items"], body["next_cursor"], body["poll_after"]) == (200, [], first["next_cursor"], 0)
    assert await house.presence() == {}


async def test_a_device_has_one_connection(house: House) -> None:
    """A socket ends a wait of its device, a wait ends a socket and another wait; presence is the newest one's.

    The one that was ended is not to come back at once, or two with one name would end each other for ever.
    """
    first = await waiting(house)
    second = await waiting(house)
    ended = await asyncio.wait_for(first, 10)
    assert numbers(ended) == []
    assert ended.poll_after > 100
    async with house.hello("tv-1") as tv:
        await tv.recv()
        await tv.until_synced()
        assert numbers(await asyncio.wait_for(second, 10)) == []
        assert "tv-1" in await house.presence()
        third = await waiting(house)
        assert (await tv.closed())[0] == 4409
        assert "tv-1" in await house.presence()
        (prev,) = await house.store(1, 1)
        await house.push(house.note(1, prev, 1, ("tv-1",)))
        assert numbers(await asyncio.wait_for(third, 10)) == [1]


async def test_a_lapsed_lease_does_not_leave_a_poll_alone(house: House) -> None:
    """The workers took its device for offline: it looks into the inbox."""
    task = await waiting(house)
    await house.store(1, 5)
    await house.redis.call(redis.command(b"DEL", b"gw:{%d}" % house.edge.lease.number))
    await house.edge.lease.renew()
    assert numbers(await asyncio.wait_for(task, 10)) == [5]


async def test_the_end_of_an_edge_ends_the_waits(houses: Houses) -> None:
    """With a cursor to go on from elsewhere, a few seconds later."""
    house = await houses.open()
    await house.register("tv-1")
    task = await waiting(house)
    await houses.close_edge(house)
    page = await asyncio.wait_for(task, 10)
    assert (page.items, page.more) == ([], False)
    assert 0 < page.poll_after < 10
    assert await house.presence() == {}


async def test_too_many_waits_are_answered_at_once(houses: Houses) -> None:
    """With the time after which to ask again."""
    house = await houses.open(waits=1)
    for device in ("tv-1", "tv-2"):
        await house.register(device)
    task = await waiting(house)
    async with house.client("tv-2") as other:
        assert (await other.pull(wait=20)).poll_after > 100
    (prev,) = await house.store(1, 1)
    await house.push(house.note(1, prev, 1, ("tv-1",)))
    assert numbers(await asyncio.wait_for(task, 10)) == [1]


async def test_nothing_new_needs_no_cassandra(servers: Servers, house: House) -> None:
    """304 while it stands still; what is new waits for it."""
    for lane in range(4):
        await house.store(lane, lane + 1)
    _, first, headers = await get(house, "tv-1/notifications")
    tag = {"If-None-Match": headers["ETag"]}
    path = f"tv-1/notifications?cursor={first['next_cursor']}"
    servers.pause("cassandra")
    try:
        for header in (tag, {"If-None-Match": f'"x", W/{headers["ETag"]}'}):
            assert (await get(house, path, **header))[0] == 304
        assert (await get(house, path))[0] == 200
        assert (await get(house, path + "&wait=1", **tag))[0] == 304
        await house.heads.advance({(house.account, 1): seq_of(9)})
        async with asyncio.timeout(DEADLINE):
            while (answer := await get(house, path, **tag))[0] == 304:  # Redis may not have told the edge yet
                pass
        status, body, headers = answer
        assert (status, body["type"]) == (503, "urn:lockstep:problem:unavailable")
        assert int(headers["Retry-After"]) > 0
    finally:
        servers.resume("cassandra")


async def test_polls_at_the_same_time_share_trips_to_redis(house: House) -> None:
    """And all are answered; none of them reads Cassandra. They are of a form that is not known by heart."""
    for lane in range(4):
        await house.store(lane, lane + 1)
    _, first, headers = await get(house, "tv-1/notifications")
    path, tag = f"tv-1/notifications?limit=50&cursor={first['next_cursor']}", headers["ETag"]
    stores = house.edge.gateway._backlog._stores
    for again in range(2):  # the first time opens the connections
        trips, reads = stores.heads.trips, stores.inbox.reads
        polls = [get(house, path, **{"If-None-Match": tag}) for _ in range(60)]
        assert {status for status, _, _ in await asyncio.gather(*polls)} == {304}
        assert stores.inbox.reads == reads
        assert not again or 0 < stores.heads.trips - trips <= 30


async def test_too_many_pages_at_once_are_sent_away_for_a_moment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for Cassandra waits in memory. Polls that read nothing are answered all the same."""
    for lane in range(4):
        await house.store(lane, lane + 1)
    _, first, headers = await get(house, "tv-1/notifications")
    monkeypatch.setattr("edge.pull.endpoint.MOST_READS", 0)
    status, body, refused = await get(house, "tv-1/notifications")
    assert (status, body["type"]) == (503, "urn:lockstep:problem:overloaded")
    assert 1 <= int(refused["Retry-After"]) <= 5
    path = f"tv-1/notifications?cursor={first['next_cursor']}&limit=50"
    assert (await get(house, path, **{"If-None-Match": headers["ETag"]}))[0] == 304


async def test_a_busy_edge_is_asked_less_often(houses: Houses) -> None:
    """It measures how much of its time it computes, and steers `poll_after` by that."""
    house = await houses.open()
    await house.register("tv-1")
    async with house.client("tv-1") as tv:
        assert (await tv.pull()).poll_after <= 360
        async with asyncio.timeout(60):
            while (await tv.pull()).poll_after <= 360:
                end = time.thread_time() + 0.2
                while time.thread_time() < end:
                    pass


async def test_a_device_that_missed_too_much_starts_anew(houses: Houses) -> None:
    """410 for an old cursor with more above it than the limit; a fresh start gets everything there is."""
    house = await houses.open(backlog=20)
    await house.register("tv-1")
    start = time.time() - 3600
    old = cursors.Cursor(cursors.fingerprint(house.account), int(start), (0,) * 4)
    await house.store(1, *range(1, 12))
    await house.store(2, *range(20, 29))
    async with house.client("tv-1", cursor=cursors.encode(old)) as tv:
        assert len((await tv.pull(limit=5)).items) == 5
    await house.store(2, 40)
    async with house.client("tv-1", cursor=cursors.encode(old)) as tv:
        with pytest.raises(Refused, match="410 urn:lockstep:problem:resync-required"):
            await tv.pull(limit=5)
        tv.cursor = ""
        assert len((await tv.pull(limit=200)).items) == 21


@pytest.mark.parametrize("coding", ["zstd", "gzip", "identity"])
async def test_a_page_in_each_encoding(house: House, coding: str) -> None:
    """The same page; small answers are not compressed."""
    await house.store(1, *range(1, 9))
    url = f"{house.base}/v1/devices/tv-1/notifications"
    headers = {"Authorization": f"Bearer {house.token('tv-1')}", "Accept-Encoding": coding}
    async with aiohttp.ClientSession(auto_decompress=False, headers=headers) as http:
        async with http.get(url) as response:
            raw = await response.read()
            assert response.headers.get("Content-Encoding", "identity") == coding
            assert response.headers["Vary"] == "Accept-Encoding"
        decompress: Any = {"zstd": zstd.decompress, "gzip": gzip.decompress, "identity": bytes}[coding]
        page = json.loads(decompress(raw))
        assert [item["data"]["n"] for item in page["items"]] == list(range(1, 9))
        assert coding == "identity" or len(raw) < 700
        async with http.get(url, params={"cursor": page["next_cursor"]}) as response:
            assert "Content-Encoding" not in response.headers


async def test_a_device_that_asks_too_often_is_held_up(houses: Houses) -> None:
    """429 and when to come back; another device notices nothing."""
    house = await houses.open(device_rate=0.1)
    for device in ("tv-1", "tv-2"):
        await house.register(device)
    assert (await get(house, "tv-1"))[0] == 200
    status, body, headers = await get(house, "tv-1")
    assert (status, body["type"]) == (429, "urn:lockstep:problem:too-many-requests")
    assert 5 < int(headers["Retry-After"]) <= 10
    assert (await get(house, "tv-2", house.token("tv-2")))[0] == 200
