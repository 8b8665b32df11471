"""Device sockets on a real edge: hello, backlog, live, holes, slow readers, replacement, and what is refused."""

from __future__ import annotations

import asyncio

import pytest

from edge import cursor as cursors
from streams.targets import Predicate
from tests.integration.edge.conftest import House, Houses, seq_of, until


def numbers(items: list[dict[str, object]]) -> list[object]:
    """The offsets of items."""
    return [item["data"]["n"] for item in items if isinstance(item["data"], dict)]


def positions(cursor: str) -> tuple[int, ...]:
    """What a cursor says."""
    return cursors.decode(cursor, 4).positions


async def test_hello_backlog_live_and_ack(house: House) -> None:
    """A fresh device gets its inbox in the order of lanes and positions, then what is pushed, and may ack it."""
    await house.store(2, 5, 7)
    await house.store(0, 6)
    async with house.hello("tv-1") as tv:
        welcome = await tv.recv()
        assert welcome["type"] == "welcome"
        assert welcome["ping"] == 30
        items, cursor = await tv.until_synced()
        assert numbers(items) == [6, 5, 7]
        assert positions(cursor) == (seq_of(6), 0, seq_of(7), 0)
        assert items[-1]["cursor"][8:] == cursor[8:]
        assert list(await house.presence()) == ["tv-1"]
        (prev,) = await house.store(2, 9)
        assert await house.push(house.note(2, prev, 9, ("tv-1",), ("nobody",))) == [200, 404]
        (live,) = await tv.items(1)
        assert live["lane"] == "normal"
        assert positions(live["cursor"]) == (seq_of(6), 0, seq_of(9), 0)
        await tv.send(type="ack", cursor=live["cursor"], codes={live["id"]: "handled"})
        await tv.send(type="ping")
        assert await tv.recv() == {"type": "pong"}
    async with house.hello("tv-1", live["cursor"]) as tv:
        await tv.recv()
        assert (await tv.until_synced())[0] == []


async def test_a_hole_is_read_from_the_inbox(house: House) -> None:
    """A push whose predecessor is missing is not delivered: both come from the inbox, in order, then it is live."""
    async with house.hello("tv-1") as tv:
        await tv.recv()
        await tv.until_synced()
        await house.store(1, 3)
        (prev,) = await house.store(1, 4)
        assert prev == seq_of(3)
        assert await house.push(house.note(1, prev, 4, ("tv-1",))) == [503]
        items, _ = await tv.until_synced()
        assert numbers(items) == [3, 4]
        (prev,) = await house.store(1, 8)
        assert await house.push(house.note(1, prev, 8, ("tv-1",)), house.note(1, prev, 8, ("tv-1",))) == [200, 200]
        assert numbers(await tv.items(1)) == [8]


async def test_an_unknown_head_before_a_push_turns_to_sync(house: House) -> None:
    """The first push of a lane has no predecessor: the inbox answers."""
    async with house.hello("tv-1") as tv:
        await tv.recv()
        await tv.until_synced()
        (prev,) = await house.store(3, 2)
        assert prev == -1
        assert await house.push(house.note(3, prev, 2, ("tv-1",))) == [503]
        assert numbers((await tv.until_synced())[0]) == [2]


async def test_others_move_without_a_frame(house: House) -> None:
    """A device that is not meant gets the number in the cursor of its next frame."""
    await house.store(1, 1)
    async with house.hello("tv-1") as tv:
        await tv.recv()
        await tv.until_synced()
        assert await house.push(house.note(1, seq_of(1), 2, (), ("tv-1",))) == [200]
        assert await house.push(house.note(1, seq_of(2), 3, ("tv-1",))) == [200]
        (item,) = await tv.items(1)
        assert item["data"]["n"] == 3
        assert positions(item["cursor"])[1] == seq_of(3)


async def test_rows_for_others_and_rows_that_are_over_only_move_the_cursor(house: House) -> None:
    """By device type, id, version and origin, with the registry's word."""
    await house.store(1, 1, target=Predicate(types=house.topology.type_bit("phone")))
    await house.store(1, 2, target=Predicate(ids=("tv-2",)))
    await house.store(1, 3, target=Predicate(origin="tv-1"))
    await house.store(1, 4, target=Predicate(least=2 << 20))
    await house.store(1, 5, expires=1)
    await house.store(1, 6, target=Predicate(types=house.topology.type_bit("tv"), ids=("tv-1",)))
    await house.store(1, 7, target=Predicate(ids=("tv-2",)))
    async with house.hello("tv-1") as tv:
        await tv.recv()
        items, cursor = await tv.until_synced()
        assert numbers(items) == [6]
        assert positions(cursor)[1] == seq_of(7)


async def test_a_long_backlog_comes_whole_and_in_order(house: House) -> None:
    """Over many pages."""
    await house.writer.write([house.row(3, number, size=200) for number in range(1, 501)])
    async with house.hello("tv-1") as tv:
        await tv.recv()
        items, cursor = await tv.until_synced()
        assert numbers(items) == list(range(1, 501))
        assert positions(cursor)[3] == seq_of(500)


async def test_a_slow_reader_is_turned_to_sync_and_misses_nothing(house: House) -> None:
    """While it does not read little is kept for it; when it reads again it gets everything in order, once."""
    async with house.hello("tv-1") as tv:
        await tv.recv()
        await tv.until_synced()
        transport = tv.connection.transport
        transport.pause_reading()
        statuses: list[int] = []
        prev, last = 0, 0
        for number in range(1, 1000):
            await house.writer.write([house.row(0, number, size=12_000)])
            await house.heads.advance({(house.account, 0): seq_of(number)})
            statuses += await house.push(house.note(0, prev, number, ("tv-1",), size=12_000))
            prev, last = seq_of(number), number
            if statuses[-1] == 503:
                break
        assert statuses.count(200) > 1
        assert statuses[-1] == 503
        assert house.edge.gateway.sessions.counts.slow == 1
        transport.resume_reading()
        items, cursor = await tv.until_synced()
        assert numbers(items) == list(range(1, last + 1))
        assert positions(cursor)[0] == seq_of(last)


async def test_a_second_connection_replaces_the_first(house: House) -> None:
    """The first is closed with 4409, and its end does not remove the presence of the second."""
    async with house.hello("tv-1") as first:
        await first.recv()
        await first.until_synced()
        before = await house.presence()
        async with house.hello("tv-1") as second:
            await second.recv()
            await second.until_synced()
            code, frames = await first.closed()
            assert code == 4409
            assert frames[-1]["error"] == "replaced"
            await until(lambda: house.edge.gateway.connections == 1, "the first connection is gone")
            after = await house.presence()
            assert list(after) == ["tv-1"]
            assert after["tv-1"] > before["tv-1"]
            await house.store(0, 1)
            assert await house.push(house.note(0, 0, 1, ("tv-1",))) == [200]
            assert numbers(await second.items(1)) == [1]
    await until(lambda: gone(house), "the presence of the second ends with it")
    assert await house.push(house.note(0, 1, 2, ("tv-1",))) == [404]


async def gone(house: House) -> bool:
    """Whether nobody is online."""
    return not await house.presence()


BAD_HELLOS: list[tuple[dict[str, object], int, str]] = [
    ({"type": "hello", "token": "x"}, 4401, "bad-token"),
    ({"type": "hello", "cursor": ""}, 4400, "malformed-message"),
    ({"type": "hello", "token": 1}, 4400, "malformed-message"),
    ({"type": "ack", "cursor": ""}, 4400, "malformed-message"),
    ({"type": "what"}, 4400, "malformed-message"),
    ({"type": "hello", "token": "GOOD", "cursor": "nonsense"}, 4400, "malformed-cursor"),
    ({"type": "hello", "token": "STRANGER"}, 4404, "unknown-device"),
    ({"type": "hello", "token": "OVER"}, 4401, "bad-token"),
    ({"type": "hello", "token": "GOOD", "cursor": "OLD"}, 4410, "resync-required"),
]


async def test_what_is_refused_leaves_the_neighbours_undisturbed(house: House) -> None:
    """Each bad hello and each bad frame has its close code and a clear error; a live device notices nothing."""
    old = cursors.encode(cursors.Cursor(cursors.fingerprint(house.account), 1, (0, 0, 0, 0)))
    words = {
        "GOOD": house.token("tv-9"),
        "STRANGER": house.token("stranger"),
        "OVER": house.token("tv-9", lifetime=-3600),
        "OLD": old,
    }
    await house.store(0, 1)
    async with house.hello("tv-1") as neighbour:
        await neighbour.recv()
        await neighbour.until_synced()
        for message, code, name in BAD_HELLOS:
            async with house.socket() as bad:
                await bad.send(**{key: words.get(str(value), value) for key, value in message.items()})
                closed, frames = await bad.closed()
                assert (closed, frames[-1]["error"], frames[-1]["code"]) == (code, name, code), message
                assert frames[-1]["detail"]
        not_utf8 = b'{"type":"hello","token":"\xff"}'
        for raw, text, code in (
            (b"\x00\x01", False, 1003),
            (not_utf8, True, 1007),
            (b"{", True, 4400),
            (b"[" * 10_000, True, 4400),
            (b"x" * 20_000, True, 1009),
        ):
            async with house.socket() as bad:
                await bad.connection.send(raw, text=text)
                assert (await bad.closed())[0] == code
        assert await house.push(house.note(0, seq_of(1), 2, ("tv-1",))) == [200]
        assert numbers(await neighbour.items(1)) == [2]
        assert len(house.edge.gateway.sessions) == 1


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ({"type": "hello", "token": "x"}, "malformed-message"),
        ({"type": "ack", "cursor": "nonsense"}, "malformed-cursor"),
        ({"type": "ack", "cursor": "ANOTHER"}, "malformed-cursor"),
        ({"type": "ack"}, "malformed-message"),
    ],
)
async def test_a_bad_message_after_the_hello_closes_the_socket(
    house: House, message: dict[str, str], name: str
) -> None:
    """And removes the presence."""
    another = cursors.encode(cursors.Cursor(cursors.fingerprint("another"), 2_000_000_000, (1, 1, 1, 1)))
    async with house.hello("tv-1") as tv:
        await tv.recv()
        await tv.until_synced()
        await tv.send(**{key: another if value == "ANOTHER" else value for key, value in message.items()})
        code, frames = await tv.closed()
        assert (code, frames[-1]["error"]) == (4400, name)
    await until(lambda: gone(house), "the presence has ended")


async def test_a_cursor_of_another_account_is_a_fresh_start(house: House) -> None:
    """It names positions that mean nothing here."""
    await house.store(0, 1)
    another = cursors.encode(cursors.Cursor(cursors.fingerprint("another"), 2_000_000_000, (seq_of(9),) * 4))
    async with house.hello("tv-1", another) as tv:
        await tv.recv()
        assert numbers((await tv.until_synced())[0]) == [1]


async def test_the_same_device_id_in_another_account_is_another_device(house: House) -> None:
    """Pushes go to the account they are for."""
    await house.register("tv-1", account="other")
    token = house.token("tv-1", account="other")
    async with house.hello("tv-1") as mine, house.hello("tv-1", token=token) as theirs:
        for tv in (mine, theirs):
            await tv.recv()
            await tv.until_synced()
        assert await house.push(house.note(0, 0, 1, ("tv-1",), account="other")) == [200]
        assert numbers(await theirs.items(1)) == [1]
        assert await house.push(house.note(0, 0, 2, ("tv-1",))) == [200]
        assert numbers(await mine.items(1)) == [2]


async def test_no_hello_in_time_and_no_answer_to_pings(houses: Houses) -> None:
    """A silent connection is closed, before its hello and after."""
    house = await houses.open(hello_timeout=1, ping_interval=1)
    await house.register("tv-1")
    async with house.socket() as mute:
        code, frames = await mute.closed()
        assert (code, frames[-1]["error"]) == (4408, "hello-timeout")
    reader, writer = await asyncio.open_connection("127.0.0.1", house.edge.port)
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()
    async with house.hello("tv-1") as tv:
        await tv.recv()
        await tv.until_synced()
        tv.connection.transport.pause_reading()
        await until(lambda: gone(house), "who answers no ping is dropped")
        tv.connection.transport.abort()


async def test_a_connection_has_an_end_and_says_so(houses: Houses) -> None:
    """`goaway`, then a close after some grace."""
    house = await houses.open(lifetime=1, ping_interval=1)
    await house.register("tv-1")
    async with house.hello("tv-1") as tv:
        code, frames = await tv.closed()
        assert code == 1001
        assert [frame["type"] for frame in frames] == ["welcome", "sync_end", "goaway", "error"]
        assert frames[2]["reason"] == "lifetime"


async def test_pushes_for_another_life_of_the_gateway_are_misdirected(house: House) -> None:
    """They say nothing about the device; nor does rubbish."""
    assert await house.push(incarnation=house.edge.lease.incarnation + 1) == [421]
    url = f"http://127.0.0.1:{house.edge.push_port}/push"
    async with house.http.post(url, data=b"\xc1") as response:
        assert response.status == 400
    async with house.http.get(f"http://127.0.0.1:{house.edge.push_port}/nothing") as response:
        assert response.status == 404


async def test_a_chunked_push_is_taken_too(house: House) -> None:
    """By the slower way."""

    async def chunks() -> object:
        yield b"\xc1"

    async with house.http.post(f"http://127.0.0.1:{house.edge.push_port}/push", data=chunks()) as response:
        assert response.status == 400
