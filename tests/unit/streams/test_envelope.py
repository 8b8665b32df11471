"""Positions, notification ids, and envelopes of this release and its neighbours."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.envelope import (
    OFFSET_BITS,
    TICK,
    VERSION,
    Envelope,
    ForeignTopic,
    Push,
    UnknownVersion,
    check_version,
    decode_envelope,
    decode_push,
    encode,
    epoch_of,
    is_tick,
    notification_id,
    offset_of,
    origin_of,
    position,
)  # fmt: skip
from streams.targets import EVERY, Predicate

EPOCHS = st.integers(1, (1 << 14) - 1)
OFFSETS = st.integers(0, (1 << OFFSET_BITS) - 1)
ENVELOPE = Envelope(
    version=VERSION, topic_id=b"topc", partition=3, seq=position(1, 42), lane=1, account="a", source="/s", id="1",
    type="t", time=1, appended=2, deadline=3, expires=4, content_type="application/json", payload=b"{}",
    target=Predicate(3, ("d",), "o", 7), collapse_key="k", revision=5, trace="00-x",
)  # fmt: skip
PUSH = Push(
    version=VERSION, topic_id=b"topc", partition=3, seq=position(1, 42), prev=-1, lane=1, account="a", events=("1",),
    type="t", time=1, deadline=3, expires=4, content_type="application/json", payload=b"{}",
    targets=(("d", 1, 2, 3),), others=(("e", 4, 5, 6),), trace="00-x",
)  # fmt: skip


@given(EPOCHS, OFFSETS)
def test_a_position_holds_epoch_and_offset(epoch: int, offset: int) -> None:
    """Both come back, and a position fits a signed 64-bit column."""
    seq = position(epoch, offset)
    assert (epoch_of(seq), offset_of(seq)) == (epoch, offset)
    assert 0 < seq < 1 << 63


@given(st.tuples(EPOCHS, OFFSETS), st.tuples(EPOCHS, OFFSETS))
def test_positions_sort_by_epoch_then_offset(one: tuple[int, int], other: tuple[int, int]) -> None:
    """Numbers order as the pairs do."""
    assert (position(*one) < position(*other)) == (one < other)


@given(EPOCHS, OFFSETS, st.integers(0, 2**31 - 1), st.binary(min_size=4, max_size=4))
def test_a_notification_id_names_the_ingest_record(epoch: int, offset: int, partition: int, topic_id: bytes) -> None:
    """16 bytes that lead back to position, partition and topic."""
    id_ = notification_id(position(epoch, offset), partition, topic_id)
    assert len(id_) == 16
    assert origin_of(id_) == (position(epoch, offset), partition, topic_id)


@given(st.binary(max_size=40).filter(lambda data: len(data) != 16))
def test_what_is_no_notification_id_is_refused(data: bytes) -> None:
    """Another length raises the documented error."""
    with pytest.raises(struct.error):
        origin_of(data)


TEXT = st.text(max_size=8)
NUMBERS = st.integers(-1, 2**63 - 1)
TARGETS = st.lists(st.tuples(TEXT, NUMBERS, NUMBERS, NUMBERS), max_size=2).map(tuple)
PREDICATES = st.builds(Predicate, st.integers(0, 0xFFFF), st.lists(TEXT, max_size=2).map(tuple), TEXT, NUMBERS)


@given(st.builds(
    Envelope, NUMBERS, st.binary(max_size=4), NUMBERS, NUMBERS, NUMBERS, TEXT, TEXT, TEXT, TEXT, NUMBERS, NUMBERS,
    NUMBERS, NUMBERS, TEXT, st.binary(max_size=9), PREDICATES, TEXT, NUMBERS, TEXT,
))  # fmt: skip
def test_an_envelope_comes_back(envelope: Envelope) -> None:
    """Decoding undoes encoding, for every field."""
    assert decode_envelope(encode(envelope)) == envelope


@given(st.builds(
    Push, NUMBERS, st.binary(max_size=4), NUMBERS, NUMBERS, NUMBERS, NUMBERS, TEXT, st.lists(TEXT).map(tuple), TEXT,
    NUMBERS, NUMBERS, NUMBERS, TEXT, st.binary(max_size=9), TARGETS, TARGETS, TEXT,
))  # fmt: skip
def test_a_push_comes_back(push: Push) -> None:
    """Decoding undoes encoding, for every field."""
    assert decode_push(encode(push)) == push


def test_the_wire_order_of_fields_stands() -> None:
    """Fields keep their place for ever: new ones go to the end."""
    assert list(Envelope.__struct_fields__) == [
        "version", "topic_id", "partition", "seq", "lane", "account", "source", "id", "type", "time", "appended",
        "deadline", "expires", "content_type", "payload", "target", "collapse_key", "revision", "trace",
        "events",
    ]  # fmt: skip
    assert list(Push.__struct_fields__) == [
        "version", "topic_id", "partition", "seq", "prev", "lane", "account", "events", "type", "time", "deadline",
        "expires", "content_type", "payload", "targets", "others", "trace",
        "tokens", "collapse_key", "wake", "attempt", "due",
    ]  # fmt: skip


def test_the_next_release_is_readable() -> None:
    """Fields behind the known ones, also in the predicate, are passed over."""
    fields = msgspec.msgpack.decode(encode(ENVELOPE))
    fields[0] = VERSION + 1
    fields[15] = [*fields[15], "new"]
    newer = decode_envelope(encode([*fields, {"new": 1}, 2]))
    assert newer == msgspec.structs.replace(ENVELOPE, version=VERSION + 1)
    check_version(newer.version)
    pushed = msgspec.msgpack.decode(encode(PUSH))
    assert decode_push(encode([*pushed, "new"])) == PUSH


def test_the_release_before_is_readable() -> None:
    """Each field that has a default may be missing at the end."""
    fields = msgspec.msgpack.decode(encode(ENVELOPE))
    older = decode_envelope(encode([VERSION - 1, *fields[1:15]]))
    assert (older.target, older.collapse_key, older.revision, older.trace) == (EVERY, "", -1, "")
    assert (older.payload, older.seq) == (ENVELOPE.payload, ENVELOPE.seq)
    check_version(older.version)
    bare = decode_push(encode(msgspec.msgpack.decode(encode(PUSH))[:15]))
    assert (bare.targets, bare.others, bare.trace) == (PUSH.targets, (), "")


def test_a_record_that_lacks_a_needed_field_is_refused() -> None:
    """Fourteen fields are no envelope and no push."""
    with pytest.raises(msgspec.ValidationError):
        decode_envelope(encode(msgspec.msgpack.decode(encode(ENVELOPE))[:14]))
    with pytest.raises(msgspec.ValidationError):
        decode_push(encode(msgspec.msgpack.decode(encode(PUSH))[:14]))


@given(st.integers(0, 200), st.integers(0, 5), st.binary(max_size=5))
def test_damaged_bytes_raise_decoding_errors(place: int, cut: int, put: bytes) -> None:
    """An envelope with bytes cut out and others put in is another envelope or an error of decoding."""
    value = encode(ENVELOPE)
    place %= len(value)
    damaged = value[:place] + put + value[place + cut :]
    try:
        envelope = decode_envelope(damaged)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    assert decode_envelope(encode(envelope)) == envelope


@pytest.mark.parametrize("version", [VERSION - 1, VERSION, VERSION + 1])
def test_neighbouring_versions_pass(version: int) -> None:
    """This release and those beside it."""
    check_version(version)


@pytest.mark.parametrize("version", [VERSION - 2, VERSION + 2, 255])
def test_distant_versions_stop_the_stage(version: int) -> None:
    """The message says what was found and what is readable."""
    with pytest.raises(UnknownVersion, match=rf"^envelope version {version}; this release reads 0 to 2$"):
        check_version(version)


def test_a_foreign_topic_says_what_to_do() -> None:
    """Both ids in hex, and the way out."""
    message = str(ForeignTopic(b"\x00\x01\x02\x03", b"\xff\xff\xff\xff"))
    assert "00010203" in message
    assert "ffffffff" in message
    assert "Raise `epoch`" in message


def test_an_envelope_never_is_a_tick() -> None:
    """Ticks are empty."""
    assert is_tick(TICK)
    assert is_tick(None)
    assert not is_tick(encode(ENVELOPE))
