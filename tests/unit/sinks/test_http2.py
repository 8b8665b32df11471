"""A connection of HTTP/2 without a net: its transport is a server that answers when the test says so."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from sinks.http import Reply
from sinks.http2 import Connection, Http2, NotSent

HEADERS = [(":method", "POST"), (":scheme", "https"), (":authority", "a.example"), (":path", "/")]


class Server(asyncio.Transport):
    """The other end of a connection."""

    def __init__(self, streams: int) -> None:
        """`streams`: how many requests it takes at once."""
        super().__init__()
        self.asked: list[int] = []  # streams
        self.ends = 0  # how often the client closed or dropped it
        self.client = Connection()
        self._h2 = H2Connection(H2Configuration(client_side=False))
        most = {SettingCodes.MAX_CONCURRENT_STREAMS: streams}
        self._h2.local_settings = Settings(client=False, initial_values=most)  # an update is sent with the next change
        self._h2.initiate_connection()
        self.client.connection_made(self)
        self.flush()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Read what the client says."""
        events = self._h2.receive_data(bytes(data))
        self.asked += [event.stream_id or 0 for event in events if isinstance(event, RequestReceived)]

    def close(self) -> None:
        """Note it."""
        self.ends += 1

    def abort(self) -> None:
        """Note it."""
        self.ends += 1

    def answer(self, stream: int) -> None:
        """With status 200, and nothing more."""
        self._h2.send_headers(stream, [(":status", "200")], end_stream=True)
        self.flush()

    def goodbye(self, last: int) -> None:
        """It takes no request beyond the stream `last`, and answers those that it took."""
        self.client.data_received(GoAwayFrame(0, last_stream_id=last).serialize())

    def flush(self) -> None:
        """Let the client read what was said."""
        self.client.data_received(self._h2.data_to_send())

    async def request(self) -> asyncio.Task[Reply]:
        """A request on its way, or in wait for a stream."""
        task = asyncio.create_task(self.client.request(HEADERS, b""))
        await _settle()
        return task


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_that_gives_up_as_it_is_let_in_lets_the_next_one_in() -> None:
    """A stream that is free is used."""
    server = Server(1)
    _, second, third = [await server.request() for _ in range(3)]
    server.answer(1)
    await asyncio.sleep(0)  # the first one has its answer, and has woken the second
    second.cancel()
    await _settle()
    assert (second.cancelled(), server.asked) == (True, [1, 3])
    server.answer(3)
    assert (await third).status == 200


async def test_one_that_gives_up_first_takes_no_turn() -> None:
    """The turn goes to one that waits."""
    server = Server(1)
    first, second, third = [await server.request() for _ in range(3)]
    second.cancel()
    server.answer(1)
    await _settle()
    assert (first.done(), second.cancelled(), server.asked) == (True, True, [1, 3])
    server.answer(3)
    assert (await third).status == 200


async def test_an_answer_may_come_just_as_nobody_waits_for_it_any_more() -> None:
    """Before or after it, in the same turn of the loop: the connection goes on."""
    server = Server(3)
    late, early, other = [await server.request() for _ in range(3)]
    late.cancel()
    server.answer(1)
    server.answer(3)
    early.cancel()
    again = asyncio.create_task(server.client.request(HEADERS, b""))
    await _settle()
    assert (late.cancelled(), early.cancelled(), server.ends) == (True, True, 0)
    for stream in (5, 7):
        server.answer(stream)
    assert [(await task).status for task in (other, again)] == [200, 200]


async def test_after_a_goodbye_nobody_waits_in_vain() -> None:
    """Who waits for a stream is told, what was taken is answered, and the last answer ends the connection."""
    server = Server(2)
    first, second, third, fourth = [await server.request() for _ in range(4)]
    server.goodbye(last=1)
    await _settle()
    assert [task.done() for task in (first, second, third, fourth)] == [False, True, True, True]
    assert server.ends == 0
    server.answer(1)
    assert (await first).status == 200
    await _settle()
    assert server.ends == 1
    for task in (second, third, fourth):
        with pytest.raises(NotSent):
            await task


async def test_what_the_server_has_not_taken_goes_to_another_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A goodbye is no fault, and delays nothing."""
    old, new = Server(2), Server(100)
    http = Http2("a.example", 443, ssl.create_default_context(), 1)
    http._connections[0] = old.client

    async def connect(place: int) -> Connection:
        return new.client

    monkeypatch.setattr(http, "_connect", connect)
    tasks = [asyncio.create_task(http.request(HEADERS, b"")) for _ in range(4)]
    await _settle()
    old.goodbye(last=1)
    await _settle()
    assert (old.asked, new.asked) == ([1, 3], [1, 3, 5])
    old.answer(1)
    for stream in new.asked:
        new.answer(stream)
    assert [(await task).status for task in tasks] == [200] * 4
