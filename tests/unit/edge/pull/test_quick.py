"""Which requests are polls known by heart; every other one is left to HTTP."""

from __future__ import annotations

import pytest

from edge.pull.quick import Asking, is_whole, read

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


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (POLL, True),
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (POLL[:-1], False),
        (POLL * 2, False),
        (POLL.replace(b"GET", b"POST"), False),
        (POLL.replace(HOST, b"content-Length: 3\r\n"), False),
        (POLL.replace(HOST, b"Transfer-Encoding: chunked\r\n"), False),
        (POLL.replace(HOST, b"Connection: Upgrade\r\n"), False),
    ],
)
def test_only_a_request_that_ends_for_certain_is_whole(data: bytes, whole: bool) -> None:
    """Else bytes of a body would be read as a request."""
    assert is_whole(data) is whole
