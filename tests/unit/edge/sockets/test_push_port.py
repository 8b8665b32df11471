"""The internal port without sockets: which requests it reads, and how it answers, in whatever pieces they come."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.protocol import Sessions, State
from edge.sockets import push_port
from edge.sockets.push_port import PushPort, PushProtocol, push_size
from sinks import wire
from tests.unit.edge.doubles import LANES, ME, NOW, FakeLease, FakeLink, note


class FakeTransport:
    """Remembers what was written."""

    def __init__(self) -> None:
        self.data = b""
        self.aborted = False
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        """Remember."""
        self.data += data

    def abort(self) -> None:
        """Remember."""
        self.aborted = True

    def set_protocol(self, protocol: Any) -> None:
        """Remember."""
        self.protocol = protocol


class FakeHttp(asyncio.Protocol):
    """What other requests go to."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        """Remember."""
        self.data += data


def scene() -> tuple[PushProtocol, FakeTransport, FakeLink]:
    """A connection of a worker, and a live session."""
    sessions, link = Sessions(LANES), FakeLink()
    session, _ = sessions.open(ME, None, link)
    session.state = State.LIVE
    protocol = PushProtocol(PushPort(sessions, cast(Any, FakeLease()), lambda: float(NOW)), FakeHttp)
    transport = FakeTransport()
    protocol.connection_made(cast(Any, transport))
    return protocol, transport, link


def request(body: bytes) -> bytes:
    """A push as a client writes it."""
    return b"POST /push HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def delivery(incarnation: int = 7, *notes: wire.Note) -> bytes:
    """A body."""
    return wire.encode_delivery(wire.Delivery(3, incarnation, list(notes)))


def answers(data: bytes) -> list[tuple[int, bytes]]:
    """Statuses and bodies of responses."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        size = int(head.rpartition(b"Content-Length: ")[2])
        found.append((int(head.split(b" ")[1]), data[:size]))
        data = data[size:]
    return found


@given(st.data())
def test_requests_in_pieces_are_answered_in_order(data: st.DataObject) -> None:
    """Several on one connection: good, misdirected, rubbish."""
    protocol, transport, link = scene()
    stream = request(delivery(7, note(0, 0, 5, "tv", "no"))) + request(delivery(8)) + request(b"\xc1") + request(b"")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        protocol.data_received(stream[start:end])
    (status, body), *others = answers(transport.data)
    assert (status, wire.decode_statuses(body)) == (200, [200, 404])
    assert others == [(421, b""), (400, b""), (400, b"")]
    assert link.items() == [5]


def test_a_position_that_is_none_is_refused() -> None:
    """The connection of the worker goes on."""
    protocol, transport, link = scene()
    protocol.data_received(request(delivery(7, note(0, 0, -1, "tv"))) + request(delivery(7, note(0, 0, 5, "tv"))))
    assert [status for status, _ in answers(transport.data)] == [400, 200]
    assert link.items() == [5]


def test_text_that_is_not_utf8_is_refused() -> None:
    """As any other rubbish, and the connection of the worker goes on."""
    protocol, transport, _ = scene()
    body = delivery(7, note(0, 0, 5, "tv")).replace(b"tv", b"\xff\xfe")
    protocol.data_received(request(body) + request(delivery(7, note(0, 0, 5, "tv"))))
    assert [status for status, _ in answers(transport.data)] == [400, 200]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /push HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
        b"POST /other HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
        b"POST /push HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /push HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        b"POST /push HTTP/1.1\r\nContent-Length: -3\r\n\r\n",
    ],
)
def test_any_other_request_is_handed_over_whole(head: bytes) -> None:
    """After a push on the same connection too."""
    assert push_size(head) is None
    protocol, transport, _ = scene()
    protocol.data_received(request(delivery()) + head[:5])
    protocol.data_received(head[5:])
    assert isinstance(transport.protocol, FakeHttp)
    assert transport.protocol.data == head


def test_what_is_too_long_ends_the_connection() -> None:
    """A body by its length, a head by what has come."""
    for data in (b"POST /push HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (push_port.MAX_BODY + 1), b"x" * 20_000):
        protocol, transport, _ = scene()
        protocol.data_received(data)
        assert transport.aborted
        protocol.connection_lost(None)
