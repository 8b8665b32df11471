"""The upgrade: granted to another library's request, refused with a clear answer."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from edge.sockets import handshake
from edge.sockets.handshake import BadHandshake

GOOD = (
    b"GET /v1/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)


def test_the_example_of_the_rfc() -> None:
    """RFC 6455, section 1.3; no sub-protocol that was not offered."""
    answer = handshake.answer(GOOD)
    assert answer is not None
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert b"Protocol:" not in answer


@pytest.mark.parametrize("offered", [["lockstep.v1"], ["other", "lockstep.v1"], None])
def test_another_library_accepts_the_answer(offered: list[Subprotocol] | None) -> None:
    """With and without the sub-protocol."""
    client = ClientProtocol(parse_uri("ws://host/v1/socket"), subprotocols=offered)
    client.send_request(client.connect())
    parts = handshake.split_head(b"".join(client.data_to_send()))
    assert parts is not None
    answer = handshake.answer(parts[0])
    assert answer is not None
    client.receive_data(answer)
    assert client.state is State.OPEN
    assert client.subprotocol == ("lockstep.v1" if offered else None)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/devices/tv HTTP/1.1\r\nHost: x",
        b"GET /v1/sockets HTTP/1.1\r\nUpgrade: websocket",
        b"POST /v1/socket HTTP/1.1\r\nUpgrade: websocket",
        b"GET /v1/socket HTTP/1.1\r\nHost: x",
        b"GET /v1/socket HTTP/1.1",
        b"",
    ],
)
def test_any_other_request_is_left_to_http(head: bytes) -> None:
    """Among them one for the path that asks for no upgrade."""
    assert handshake.answer(head) is None


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"Version: 13", b"Version: 8", b"426"),
        (b"Sec-WebSocket-Version: 13\r\n", b"", b"426"),
        (b"keep-alive, Upgrade", b"close", b"400"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"short", b"400"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl", b"400"),
    ],
)
def test_a_bad_upgrade_is_told_why(old: bytes, new: bytes, status: bytes) -> None:
    """The answer is a whole response."""
    with pytest.raises(BadHandshake) as caught:
        handshake.answer(GOOD.replace(old, new))
    response = caught.value.response
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"Content-Length: %d" % len(body) in head
    assert b"urn:lockstep:problem:bad-upgrade" in body


@given(st.binary(max_size=200))
def test_random_heads_raise_only_the_handshake_error(data: bytes) -> None:
    """Behind a good request line, so that the headers are read."""
    for head in (data, b"GET /v1/socket HTTP/1.1\r\nUpgrade: websocket\r\n" + data):
        with suppress(BadHandshake):
            answer = handshake.answer(head)
            assert answer is None or answer.startswith(b"HTTP/1.1 101 ")
