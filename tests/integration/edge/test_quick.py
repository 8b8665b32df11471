"""Polls with nothing new on kept connections: answered at once, and never otherwise than HTTP would."""

from __future__ import annotations

import asyncio
import json

from tests.integration.edge.conftest import DEADLINE, House, Houses, until
from tests.integration.edge.test_upgrade import UPGRADE, Wire, hello, wire

#: HTTP says who it is, the quick answer does not: by that they are told apart.
HTTP = b"\r\nServer: "


async def head(connection: Wire) -> bytes:
    """The head of the next response, after which its body was read."""
    async with asyncio.timeout(DEADLINE):
        found = await connection.reader.readuntil(b"\r\n\r\n")
        size = found.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0"
        await connection.reader.readexactly(0 if b" 304 " in found else int(size))
    return found


class Device:
    """A device that asks by hand."""

    def __init__(self, house: House, connection: Wire) -> None:
        self._connection = connection
        self._token = house.token("tv-1").encode()
        self.cursor = self.tag = b""

    def request(self, extra: bytes = b"") -> bytes:
        """A poll with what was told last."""
        tag = b"If-None-Match: %b\r\n" % self.tag if self.tag else b""
        query = b"?cursor=%b" % self.cursor if self.cursor else b""
        return (
            b"GET /v1/devices/tv-1/notifications%b HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer %b\r\n%b%b\r\n"
            % (query, self._token, tag, extra)
        )

    async def page(self) -> list[int]:
        """Ask until there is a page; its numbers. Cursor and tag are kept."""
        async with asyncio.timeout(DEADLINE):
            while b" 304 " in (found := await self._next()):  # Redis may not have told the edge yet
                pass
            size = int(found.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            page = json.loads(await self._connection.reader.readexactly(size))
        self.tag = found.partition(b"ETag: ")[2].partition(b"\r\n")[0]
        self.cursor = page["next_cursor"].encode()
        return [item["data"]["n"] for item in page["items"]]

    async def _next(self) -> bytes:
        self._connection.writer.write(self.request())
        return await self._connection.reader.readuntil(b"\r\n\r\n")

    async def ask(self, extra: bytes = b"") -> bytes:
        """Ask; the head of the answer."""
        self._connection.writer.write(self.request(extra))
        return await head(self._connection)


async def settled(house: House, connection: Wire) -> Device:
    """A device that has seen event 1 in all lanes' heads, on a connection that is kept."""
    for lane in range(4):
        await house.store(lane, 1)
    device = Device(house, connection)
    assert await device.page() == [1] * 4
    return device


async def test_nothing_new_is_said_at_once(house: House) -> None:
    """304 with the tag; HTTP says the same, asked in a way that is not known by heart."""
    async with wire(house) as connection:
        device = await settled(house, connection)
        quick, slow = await device.ask(), await device.ask(b"Accept_Nothing: x\r\n")
        assert HTTP in slow
        assert HTTP not in quick
        own = b"Server", b"Date", b"Poll-After"
        lines = [[line for line in head.split(b"\r\n") if not line.startswith(own)] for head in (quick, slow)]
        assert lines[0] == lines[1]
        for answer in (quick, slow):
            assert b"\r\nDate: " in answer
            assert 200 < int(answer.partition(b"\r\nPoll-After: ")[2].partition(b"\r\n")[0]) < 400


async def test_what_is_new_comes_as_a_page(house: House) -> None:
    """In whichever lane; and after it nothing is new again."""
    async with wire(house) as connection:
        device = await settled(house, connection)
        for lane in range(4):
            await house.store(lane, 2 + lane)
            assert await device.page() == [2 + lane]
            assert b" 304 " in await device.ask()


async def test_redis_is_asked_once_until_something_is_new(houses: Houses) -> None:
    """What was raised is found all the same, by each device that asks."""
    house = await houses.open(health=True)
    await house.register("tv-1")
    async with wire(house) as connection:
        devices = [await settled(house, connection), Device(house, connection)]
        assert await devices[1].page() == [1] * 4
        for number in range(2, 20):
            known = await known_heads(house)
            for device in devices * 2:
                assert b" 304 " in await device.ask()
            assert await known_heads(house) >= known + len(devices * 2) - 1
            await house.store(number % 4, number)
            assert [await device.page() for device in devices] == [[number]] * 2


async def known_heads(house: House) -> int:
    """Polls for which Redis was not asked, as the edge counts them."""
    async with house.http.get(f"http://127.0.0.1:{house.edge.health_port}/metrics") as response:
        lines = (await response.text()).splitlines()
    return next(int(float(line.split()[1])) for line in lines if line.startswith("lockstep_edge_pull_known_total"))


async def test_requests_in_one_write_are_answered_in_their_order(house: House) -> None:
    """Behind a poll that waits for its heads, others wait."""
    async with wire(house) as connection:
        device = await settled(house, connection)
        other = device.request().replace(b"/notifications", b"/nowhere")
        for data in (device.request() * 3 + other + device.request(), other + device.request()):
            connection.writer.write(data)
            found = [await head(connection) for _ in range(data.count(b"GET "))]
            assert [b" 304 " in each for each in found] == [b"nowhere" not in part for part in data.split(b"GET ")[1:]]
        connection.writer.write(device.request())
        await asyncio.sleep(0)
        connection.writer.write(other)
        assert [b" 304 " in await head(connection) for _ in range(2)] == [True, False]


async def test_a_body_is_not_read_as_a_poll(house: House) -> None:
    """However it looks; and what comes behind it is a poll again."""
    async with wire(house) as connection:
        device = await settled(house, connection)
        poll = device.request()
        connection.writer.write(
            b"POST /v1/devices/tv-1/acks HTTP/1.1\r\nHost: edge\r\nContent-Length: %d\r\n\r\n" % len(poll)
        )
        await connection.writer.drain()
        connection.writer.write(poll)
        assert b" 401 " in await head(connection)
        async with asyncio.timeout(DEADLINE):
            while HTTP in (answered := await device.ask()):  # HTTP may not have come to its next request yet
                assert b" 304 " in answered


async def test_a_request_in_pieces_is_answered_by_http(house: House) -> None:
    """It is not known by its first piece."""
    async with wire(house) as connection:
        device = await settled(house, connection)
        data = device.request()
        for at in range(0, len(data), 7):
            connection.writer.write(data[at : at + 7])
            await asyncio.sleep(0)
        assert b" 304 " in await head(connection)


async def test_a_socket_opens_behind_polls(house: House) -> None:
    """The connection is the gateway's again."""
    async with wire(house) as connection:
        device = await settled(house, connection)
        assert b" 304 " in await device.ask()
        connection.writer.write(UPGRADE + hello(house))
        assert b" 101 " in await head(connection)
        await connection.until(b'"sync_end"')


async def test_a_device_that_asks_too_often_is_told(houses: Houses) -> None:
    """By HTTP, which says how long to wait."""
    house = await houses.open(device_rate=1)
    await house.register("tv-1")
    async with wire(house) as connection:
        device = await settled(house, connection)
        found = [await device.ask() for _ in range(12)]
        assert b" 304 " in found[0]
        assert b" 429 " in found[-1]
        assert b"\r\nRetry-After: " in found[-1]


async def test_an_edge_that_ends_answers_and_keeps_no_connection(houses: Houses) -> None:
    """While it sends sockets elsewhere: by HTTP, which answers to the end what it has begun."""
    house = await houses.open()
    for name in ("tv-1", "tv-2"):
        await house.register(name)
    async with house.hello("tv-2") as other:
        assert (await other.recv())["type"] == "welcome"
        reader, writer = await asyncio.open_connection("127.0.0.1", house.edge.port)
        device = await settled(house, Wire(reader, writer))
        assert HTTP not in await device.ask()
        ending = asyncio.create_task(houses.close_edge(house))
        await until(lambda: house.edge.gateway.draining, "the end has begun")
        answered = await device.ask()
        assert b" 304 " in answered
        assert b"\r\nConnection: close\r\n" in answered
        assert await reader.read() == b""
        writer.close()
    await ending
