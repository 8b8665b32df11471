"""WebSocket frames: what independent code writes is read, and random bytes raise nothing but the protocol's error."""

import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from websockets.protocol import CLIENT, Protocol, State

from edge.sockets import frames
from edge.sockets.frames import BadFrame

CODES = (1002, 1003, 1009)
T = TypeVar("T")


def attempt(call: Callable[[], T]) -> T | BadFrame:
    """What a call gives, or the protocol's error."""
    try:
        return call()
    except BadFrame as error:
        return error


def masked(payload: bytes, opcode: Opcode = Opcode.TEXT, fin: bool = True) -> bytes:
    """A client's frame, written by another library."""
    return TheirFrame(opcode, payload, fin).serialize(mask=True)


@given(st.binary(max_size=300), st.binary(max_size=20))
def test_a_frame_of_another_library_is_read(payload: bytes, after: bytes) -> None:
    """Payload and end, whatever follows."""
    data = masked(payload)
    frame = frames.take(data + after)
    assert frame == frames.Frame(frames.TEXT, True, payload, len(data))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 4000, frames.MAX_MESSAGE])
def test_a_frame_in_pieces_waits_for_the_last(size: int) -> None:
    """Every prefix is incomplete, at any place of the buffer."""
    payload = os.urandom(size)
    data = masked(payload)
    for end in {*range(min(12, len(data))), len(data) - 1}:
        assert frames.take(b"xyz" + data[:end], 3) is None
    frame = frames.take(b"xyz" + data, 3)
    assert frame is not None
    assert frame.payload == payload
    assert frame.end == 3 + len(data)


@given(st.binary(max_size=200), st.integers(0, 200))
@example(b"\x81\xff" + b"\xff" * 12, 0)
def test_random_bytes_raise_only_the_protocol_error(data: bytes, at: int) -> None:
    """A frame, nothing yet, or BadFrame with a code that may be sent."""
    frame = attempt(lambda: frames.take(data, at))
    if isinstance(frame, BadFrame):
        assert frame.code in CODES
    else:
        assert frame is None or at < frame.end <= len(data)


@given(st.lists(st.tuples(st.sampled_from((0, 1, 2)), st.booleans(), st.binary(max_size=9000)), max_size=12))
def test_any_order_of_fragments_is_a_message_or_an_error(parts: list[tuple[int, bool, bytes]]) -> None:
    """What is kept of an unfinished message is bounded."""
    messages = frames.Messages()
    for opcode, final, payload in parts:
        frame = frames.Frame(opcode, final, payload, 0)
        whole = attempt(partial(messages.add, frame))
        if isinstance(whole, BadFrame):
            assert whole.code in CODES
            return
        assert whole is None or len(whole) <= frames.MAX_MESSAGE


def test_fragments_are_put_together() -> None:
    """First, middle, last; then a message of one frame."""
    messages = frames.Messages()
    assert messages.add(frames.Frame(frames.TEXT, False, b"ab", 0)) is None
    assert messages.add(frames.Frame(frames.CONTINUATION, False, b"", 0)) is None
    assert messages.add(frames.Frame(frames.CONTINUATION, True, b"c", 0)) == b"abc"
    assert messages.add(frames.Frame(frames.TEXT, True, b"d", 0)) == b"d"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01a", 1002),  # not masked
        (b"\xc1\x80\0\0\0\0", 1002),  # compressed, which was not agreed
        (b"\x83\x80\0\0\0\0", 1002),  # unknown opcode
        (b"\x09\x80\0\0\0\0", 1002),  # fragmented ping
        (b"\x89\xfe\0\x80", 1002),  # long ping
        (b"\x81\xff", 1009),
        (b"\x81\xfe\x40\x01", 1009),
    ],
)
def test_a_frame_against_the_protocol_has_its_close_code(data: bytes, code: int) -> None:
    """Found as early as its first bytes are there."""
    with pytest.raises(BadFrame) as caught:
        frames.take(data)
    assert caught.value.code == code


@given(st.binary(max_size=20))
@example(b"\xff")
def test_a_text_is_utf8_or_has_its_close_code(payload: bytes) -> None:
    """1007, as the standard has it, for what Python's decoder refuses too."""
    refused = attempt(lambda: frames.check_text(payload))
    good = payload.decode(errors="ignore").encode() == payload
    assert (refused is None) == good
    assert refused is None or refused.code == 1007


def test_fragments_out_of_order_and_binary_messages_are_refused() -> None:
    """Each with its code."""
    first = frames.Frame(frames.TEXT, False, b"", 0)
    for before, frame, code in (
        ([], frames.Frame(frames.CONTINUATION, True, b"", 0), 1002),
        ([first], frames.Frame(frames.TEXT, True, b"", 0), 1002),
        ([], frames.Frame(frames.BINARY, True, b"", 0), 1003),
        ([first], frames.Frame(frames.CONTINUATION, True, b"x" * (frames.MAX_MESSAGE + 1), 0), 1009),
    ):
        messages = frames.Messages()
        for each in before:
            messages.add(each)
        with pytest.raises(BadFrame) as caught:
            messages.add(frame)
        assert caught.value.code == code


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 100_000])
def test_what_the_server_writes_is_read_by_another_library(size: int) -> None:
    """All three forms of the length."""
    peer = Protocol(CLIENT, state=State.OPEN, max_size=None)
    peer.receive_data(frames.text(b"x" * size) + frames.PING_FRAME + frames.pong(b"hi") + frames.close(4401, "no"))
    received = [event for event in peer.events_received() if isinstance(event, TheirFrame)]
    assert [(event.opcode, len(event.data)) for event in received] == [
        (Opcode.TEXT, size),
        (Opcode.PING, 0),
        (Opcode.PONG, 2),
        (Opcode.CLOSE, 4),
    ]
    assert peer.close_rcvd is not None
    assert (peer.close_rcvd.code, peer.close_rcvd.reason) == (4401, "no")


def test_a_close_reason_is_cut_to_what_fits() -> None:
    """At a character's border."""
    frame = frames.close(4400, "\u00e9" * 200)
    assert len(frame) <= 127
    frame[4:].decode()


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", 1000),
        (b"\x03\xe8", 1000),
        (b"\x03\xe8bye", 1000),
        (b"\x11\x30", 4400),
        (b"\x03", 1002),
        (b"\x03\xed", 1002),
        (b"\xff\xff", 1002),
    ],
)
def test_a_close_is_answered_with_its_code_or_an_error(payload: bytes, code: int) -> None:
    """Codes that must not be sent are not repeated."""
    assert frames.close_code(payload) == code
