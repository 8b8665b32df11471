"""The longest records between stages, held against those that the encoder makes."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from sinks.seal import Seal, fresh_key
from streams import sizes
from streams.cloudevents import decode
from streams.envelope import VERSION, Envelope, Push, encode
from streams.event import MAX_ACCOUNT_BYTES, MAX_DEVICE_IDS, MAX_ID
from streams.targets import Predicate

ACCOUNT = "a" * MAX_ACCOUNT_BYTES
WIDE = "\U0001f4fa"
LONG = WIDE * MAX_ID
DEVICE = "d" * sizes.MAX_DEVICE_ID
LAST = 2**63 - 1
#: The bytes that Kafka puts around a batch of one record, at most.
BATCH = 100


def _event() -> tuple[int, Envelope]:
    """A binary event with everything at its longest, its size, and the envelope of it."""
    headers = {
        "specversion": "1.0", "id": LONG, "source": LONG, "type": LONG, "time": "2026-11-25T02:21:45Z",
        "subject": ACCOUNT, "collapsekey": LONG, "origindevice": LONG, "version": str(LAST),
        "deviceids": ",".join(["d"] * MAX_DEVICE_IDS), "traceparent": "t" * 64, "expirytime": "2026-12-25T02:21:45Z",
    }  # fmt: skip
    record = [(f"ce_{name}", value.encode()) for name, value in headers.items()]
    e = decode(ACCOUNT.encode(), b"{}", record)
    made = Envelope(
        VERSION, b"topc", 2**31 - 1, LAST, 255, e.account, e.source, e.id, e.type, LAST, LAST, LAST, LAST,
        e.content_type, e.payload, Predicate(2**16 - 1, e.device_ids, e.origin, 2**32 - 1), e.collapse_key, e.revision,
        e.trace,
    )  # fmt: skip
    return sum(len(name) + len(value) for name, value in record) + len(e.payload), made


def _taken(record: Any) -> int:
    return len(encode(record)) + len(ACCOUNT) + BATCH


def test_an_envelope_is_little_longer_than_its_event() -> None:
    """Lengths and numbers take the place of names."""
    size, made = _event()
    assert made.collapse_key == made.target.origin == LONG
    assert _taken(made) <= sizes.envelope(size)


def test_a_notification_holds_the_ids_of_all_it_stands_for() -> None:
    """And the payload of a union, where that is longer than an event may be."""
    size, made = _event()
    merged = replace(made, payload=b"p" * sizes.MAX_PAYLOAD, events=(LONG,) * sizes.MAX_EVENTS)
    limit = size + sizes.MAX_PAYLOAD
    assert 0.9 * sizes.notification(limit) < _taken(merged) <= sizes.notification(limit)
    assert sizes.notification(1) == sizes.notification(sizes.MAX_PAYLOAD)


def test_a_push_holds_the_longest_tokens_of_all_devices() -> None:
    """Sealed with the longest id of a key."""
    size, e = _event()
    sealed = Seal(f'{{"keys":[{fresh_key("k" * 64).decode()}]}}').seal(ACCOUNT, DEVICE, "t" * sizes.MAX_TOKEN)
    assert len(sealed) == sizes.MAX_KEPT_TOKEN
    push = Push(
        VERSION, b"topc", 2**31 - 1, LAST, LAST, 255, ACCOUNT, (LONG,) * sizes.MAX_EVENTS, LONG, LAST, LAST, LAST,
        e.content_type, b"p" * sizes.MAX_PAYLOAD, ((DEVICE, 0, 0, 0),) * sizes.MAX_DEVICES, (), e.trace,
        (sealed.encode(),) * sizes.MAX_DEVICES, LONG, "alert",
    )  # fmt: skip
    limit = size + sizes.MAX_PAYLOAD
    assert 0.95 * sizes.push(limit) < _taken(push) <= sizes.push(limit)
    again = replace(push, targets=push.targets[:1], tokens=push.tokens[:1], attempt=2**31, due=LAST)
    assert 0.9 * sizes.retry(limit) < _taken(again) <= sizes.retry(limit)


def test_what_a_device_takes_of_a_push() -> None:
    """As many of either kind as fit are within the room for them."""
    empty = Push(VERSION, b"", 0, 0, 0, 0, "", (), "", 0, 0, 0, "", b"", ())
    socket = (DEVICE, 2**32 - 1, 2**16 - 1, LAST)
    for targets, tokens, each in (
        ((socket,), (), sizes.target(DEVICE)),
        (((DEVICE, 0, 0, 0),), (b"t" * 5000,), sizes.target(DEVICE, b"t" * 5000)),
    ):
        count = 100
        many = replace(empty, targets=targets * count, tokens=tokens * count)
        assert 0 <= each * count - (len(encode(many)) - len(encode(empty))) + 4 < 8
    longest = sizes.target(DEVICE, b"t" * sizes.MAX_KEPT_TOKEN)
    assert longest * sizes.MAX_DEVICES == sizes.ROOM
