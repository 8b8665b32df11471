"""Which requests are polls known by heart, and what they mean; every other one is left to HTTP."""

from __future__ import annotations

from typing import cast

import pytest

from edge.auth.access import Access
from edge.auth.identity import Identity
from edge.cursor import Cursor, encode, fingerprint
from edge.pull.asking import Asking, Poll, Reader, read

LINE = b"GET /v1/devices/tv-1/notifications?cursor=AQBr_-9 HTTP/1.1\r\n"
HOST, AUTH, TAG = b"Host: edge\r\n", b"Authorization: Bearer a.b.c\r\n", b'If-None-Match: "1-2"\r\n'
POLL = LINE + HOST + AUTH + TAG + b"\r\n"
READ = Asking("tv-1", "AQBr_-9", 1, "a.b.c", '"1-2"')


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (POLL, READ),
        (POLL.replace(b" HTTP", b"&limit=50 HTTP"), READ._replace(limit=50)),
        (POLL.replace(b" HTTP", b"&limit=50&wait=0 HTTP"), READ._replace(limit=50)),
        (POLL.replace(b"Authorization: Bearer ", b"authorization:bearer  "), READ),
        (POLL.replace(b"Host", b"Accept-Encoding: gzip\r\nConnection: Keep-Alive\r\nX-Request-Id: 7\r\nHost"), READ),
    ],
)
def test_a_poll_is_read(data: bytes, expected: Asking) -> None:
    """As clients and proxies write it."""
    assert read(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        POLL[:-2],
        POLL + b"x",
        POLL * 2,
        POLL.replace(b"GET", b"HEAD"),
        POLL.replace(b"1.1", b"1.0"),
        POLL.replace(b"tv-1", b"tv%2d1"),
        POLL.replace(b"/notifications", b"/acks"),
        POLL.replace(b"cursor=AQBr_-9", b""),
        POLL.replace(b"cursor=", b"cursor=%41"),
        POLL.replace(b" HTTP", b"&wait=5 HTTP"),
        POLL.replace(b" HTTP", b"&cursor=AQ HTTP"),
        POLL.replace(b" HTTP", b"&limit=x HTTP"),
        POLL.replace(AUTH, b""),
        POLL.replace(TAG, b""),
        POLL.replace(AUTH, AUTH * 2),
        POLL.replace(TAG, TAG * 2),
        POLL.replace(b"Bearer", b"Basic"),
        POLL.replace(HOST, HOST + b"Origin: https://a.example\r\n"),
        POLL.replace(HOST, HOST + b"Connection: close\r\n"),
        POLL.replace(HOST, HOST + b"Connection: Upgrade\r\n"),
        POLL.replace(HOST, HOST + b"Expect: 100-continue\r\n"),
        POLL.replace(HOST, HOST + b"Content-Length: 3\r\n"),
        POLL.replace(HOST, HOST + b"Content-Length : 3\r\n"),
        POLL.replace(HOST, HOST + b"transfer-encoding: chunked\r\n"),
        POLL.replace(HOST, HOST + b" folded: yes\r\n"),
        POLL.replace(HOST, HOST + b"no colon\r\n"),
        POLL.replace(HOST, HOST + b": no name\r\n"),
        POLL.replace(HOST, HOST + b"X: a\nContent-Length: 3\r\n"),
        POLL.replace(HOST, HOST + b"X: a\rContent-Length: 3\r\n"),
    ],
)
def test_anything_else_is_left_to_http(data: bytes) -> None:
    """What is incomplete, more than one request, written in another way, or means more."""
    assert read(data) is None


ALICE = Cursor(fingerprint("alice"), 2_000_000_000, (1, 2))
IDENTITY = Identity("tv-1", "alice", "tv", 2_000_000_000)


class Known:
    """Knows Alice's token, until her keys change."""

    changes = 1

    def known(self, device: str, token: str) -> Identity | None:
        """Hers, of her device."""
        return IDENTITY if (device, token, self.changes) == ("tv-1", "a.b.c", 1) else None


def reader(lanes: int, access: Known | None = None) -> Reader:
    """One that has read nothing."""
    return Reader(lanes, cast(Access, access or Known()))


def poll(cursor: Cursor, tags: str) -> bytes:
    """A poll with this cursor and these tags."""
    return POLL.replace(b"AQBr_-9", encode(cursor).encode()).replace(b'"1-2"', tags.encode())


@pytest.mark.parametrize(
    ("tags", "own"), [('"1-2"', b'"1-2"'), ('"0-0", W/"1-2"', b'"1-2"'), ('"1-3"', b""), ('"1"', b"")]
)
def test_what_a_poll_means(tags: str, own: bytes) -> None:
    """`own` is the tag of heads that are where the cursor is, where it is asked for."""
    assert reader(2).read(poll(ALICE, tags)) == Poll(IDENTITY, ALICE, 1, tags, own)


def test_a_lane_that_the_cursor_does_not_know() -> None:
    """Stands at 0."""
    found = reader(3).read(poll(ALICE, '"1-2-0"'))
    assert found is not None
    assert (found.cursor.positions, found.own) == ((1, 2, 0), b'"1-2-0"')


def test_what_a_poll_means_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes mean the same; one other byte does not."""
    first, data = reader(2), poll(ALICE, '"1-2"')
    found = first.read(data)
    monkeypatch.setattr("edge.pull.asking.read", None)
    assert first.read(data) is found
    with pytest.raises(TypeError):
        first.read(data.replace(b"a.b.c", b"a.b.d"))


def test_who_is_not_known_any_more_is_not_remembered() -> None:
    """The keys have changed: HTTP verifies the token anew, or refuses it."""
    access, data = Known(), poll(ALICE, '"1-2"')
    first = reader(2, access)
    assert first.read(data)
    access.changes += 1
    assert first.read(data) is None
    access.changes -= 1
    assert first.read(data)


@pytest.mark.parametrize(
    "data",
    [
        POLL,
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        POLL.replace(TAG, b""),
        poll(ALICE, '"1-2"').replace(b"a.b.c", b"a.b.d"),
        poll(ALICE, '"1-2"').replace(b"tv-1", b"tv-2"),
        poll(ALICE._replace(fingerprint=fingerprint("bob")), '"1-2"'),
    ],
)
def test_what_means_nothing_is_left_to_http(data: bytes) -> None:
    """Also a poll whose cursor is none, or another account's, and one of somebody who is not known."""
    assert reader(2).read(data) is None
