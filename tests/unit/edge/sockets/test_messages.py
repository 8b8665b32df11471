"""Messages of the sub-protocol: what a device may say, and what it is told."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sockets import messages
from edge.sockets.messages import Ack, Hello, Ping
from tests.unit.edge.doubles import texts

ID = b"000100000000002f00000007d02f5bbc"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"type":"hello","token":"t"}', Hello("t")),
        (b'{"cursor":"c","token":"t","type":"hello","color":1}', Hello("t", "c")),
        (b'{"type":"ack","cursor":"c"}', Ack("c")),
        (b'{"type":"ack","cursor":"c","codes":{"%b":"failed"}}' % ID, Ack("c", {ID.decode(): "failed"})),
        (b'{"type":"ping"}', Ping()),
    ],
)
def test_what_a_device_says(text: bytes, message: messages.Message) -> None:
    """Fields that this release does not know are passed over."""
    assert messages.decode(text) == message


@pytest.mark.parametrize(
    "codes",
    [
        {ID.decode(): "lost"}, {ID.decode(): 1}, {ID.decode().upper(): "failed"}, {"8" + 31 * "0": "failed"},
        {ID.decode() + "0": "failed"}, {f"{n:032x}": "failed" for n in range(257)}, [ID.decode()],
    ],
)  # fmt: skip
def test_codes_that_are_none(codes: object) -> None:
    """Unknown ones, ids that no item has, and too many of them."""
    text = msgspec.json.encode({"type": "ack", "cursor": "c", "codes": codes})
    with pytest.raises(msgspec.ValidationError):
        messages.decode(text)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: ('{"type":"' + text).encode(errors="replace")))
def test_rubbish_raises_one_kind_of_error(text: bytes) -> None:
    """Which the gateway answers with a close."""
    with pytest.raises(msgspec.MsgspecError):
        messages.decode(text)


def test_what_a_device_is_told() -> None:
    """Each message in a frame of its own."""
    said: list[messages.Told] = [
        messages.Welcome("s", 55, 64, messages.Limits(16384, 100.0, 1000.0)),
        messages.Sync("b"), messages.SyncEnd("c"), messages.Pong(),
        messages.GoAway(1.2, "draining"),
    ]  # fmt: skip
    data = b"".join(map(messages.frame, said))
    assert texts(data) == [
        {
            "type": "welcome",
            "session": "s",
            "ping": 55,
            "window": 64,
            "limits": {"message_bytes": 16384, "frames_per_s": 100.0, "frames_at_once": 1000.0},
        },
        {"type": "sync", "cursor": "b"},
        {"type": "sync_end", "cursor": "c"},
        {"type": "pong"},
        {"type": "goaway", "reconnect_after": 1.2, "reason": "draining"},
    ]


def test_a_farewell_is_an_error_and_a_close() -> None:
    """With the same code and name."""
    data = messages.farewell(messages.BAD_TOKEN, "expired")
    assert texts(data) == [{"type": "error", "code": 4401, "error": "bad-token", "detail": "expired"}]
    assert data.endswith(b"\x88\x0b" + (4401).to_bytes(2, "big") + b"bad-token")
