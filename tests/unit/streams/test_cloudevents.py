"""The CloudEvents decoder: tables of good and bad records, the SDK as oracle, and fuzzing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.cloudevents import decode, is_json
from streams.event import MAX_ID, BadEvent, Event
from tests.unit.streams.corpus import ACCOUNT, ATTRIBUTES, BAD, GOOD, Bad, Raw, binary, structured

SEEDS = [*GOOD.values(), *(bad.record for bad in BAD.values())]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVENT = Event(
    account=ACCOUNT,
    source="/services/profiles",
    id="0190a5b2-7c3e-7d10-9f6a-000000000001",
    type="member.profile.maturity-changed",
    time=1_800_000_000_123,
    content_type="application/json",
    payload=b'{"profile": "p-1", "maturity": "teen", "note": "f\\u00fcr dich"}',
)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_record_decodes(name: str) -> None:
    """Each good record of the corpus gives an event of its account."""
    assert decode(*GOOD[name]).account == ACCOUNT


@pytest.mark.parametrize("record", [GOOD["structured"], GOOD["binary"], GOOD["header names in capitals"]])
def test_an_event_is_read_whole(record: Raw) -> None:
    """Every attribute arrives, in either mode, and the payload as the bytes it was."""
    assert decode(*record) == EVENT


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_refused_for_its_reason(name: str) -> None:
    """Each bad record of the corpus is refused with a reason and a short detail that says what is wrong."""
    bad: Bad = BAD[name]
    with pytest.raises(BadEvent) as caught:
        decode(*bad.record)
    assert caught.value.reason == bad.reason
    assert bad.detail in caught.value.detail
    assert len(caught.value.detail) < 1000


@pytest.mark.parametrize("mode", [structured, binary])
def test_extensions_are_read(mode: Any) -> None:
    """Lists are split, numbers read, times turned to milliseconds, the trace kept."""
    event = decode(*mode(
        expirytime="2027-01-15T10:00:00+02:00", collapsekey="k", devicetypes="tv, phone", deviceids="d-1",
        origindevice="d-3", version="7", traceparent="t" * 80,
    ))  # fmt: skip
    assert event.expires == 1_800_000_000_000
    assert (event.collapse_key, event.origin, event.revision, event.trace) == ("k", "d-3", 7, "t" * 64)
    assert (event.device_types, event.device_ids) == (("tv", "phone"), ("d-1",))


@pytest.mark.parametrize("unset", ["", None, ...])
@pytest.mark.parametrize("mode", [structured, binary])
def test_null_empty_and_absent_are_all_unset(mode: Any, unset: Any) -> None:
    """An optional attribute that is null, empty or not there leaves the default."""
    names = ("expirytime", "collapsekey", "devicetypes", "deviceids", "origindevice", "version", "traceparent")
    assert decode(*mode(**dict.fromkeys(names, unset))) == EVENT


def test_unknown_attributes_and_members_are_passed_over() -> None:
    """An extension of somebody else does no harm, nor does a header that only looks like the payload."""
    assert decode(*structured(other={"deep": [1]}, another=None)) == EVENT
    assert decode(*binary(other=b"\xff", data=b"x", data_base64=b"eHg=", datacontenttype="application/json")) == EVENT


@pytest.mark.parametrize(
    ("record", "content_type", "payload"),
    [
        (structured(data=...), "application/json", b""),
        (binary(None), "application/json", b""),
        (structured(data=None), "application/json", b"null"),
        (structured(datacontenttype=..., data=[1, 2]), "application/json", b"[1, 2]"),
        (binary(b"[1]", datacontenttype=...), "application/json", b"[1]"),
        (structured(datacontenttype="text/json", data={}), "text/json", b"{}"),
        (structured(data=..., datacontenttype="image/png", data_base64="iVBORw=="), "image/png", b"\x89PNG"),
        (binary(b"\x89PNG", datacontenttype="image/png"), "image/png", b"\x89PNG"),
        (structured(datacontenttype="text/plain", data="gr\u00fc\u00df\n"), "text/plain", "gr\u00fc\u00df\n".encode()),
        (structured(datacontenttype="text/plain", data=None), "text/plain", b""),
    ],
)
def test_the_payload_is_what_the_producer_gave(record: Raw, content_type: str, payload: bytes) -> None:
    """JSON stays a JSON text, text is unquoted, base64 undone; without a type, data is JSON."""
    event = decode(*record)
    assert (event.content_type, event.payload) == (content_type, payload)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2027-01-15T08:00:00.123456789Z", 1_800_000_000_123),
        ("2027-01-15t08:00:00.9999z", 1_800_000_000_999),
        ("2027-01-15 09:30:00+01:30", 1_800_000_000_000),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139_000),
    ],
)
def test_times_are_rfc_3339(text: str, milliseconds: int) -> None:
    """Any zone, small letters, more digits than are kept, and the ends of the calendar."""
    assert decode(*structured(time=text)).time == milliseconds


@given(st.integers(0, 4_000_000_000_000))
def test_no_millisecond_is_lost(milliseconds: int) -> None:
    """Every time of whole milliseconds comes back exactly."""
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    assert decode(*binary(time=moment.isoformat())).time == milliseconds


@pytest.mark.parametrize(
    ("content_type", "json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("text/json", True),
        ("text/plain", False),
        ("application/jsonl", False),
        ("json", False),
        ("", False),
    ],
)
def test_json_types_are_known_by_their_subtype(content_type: str, json: bool) -> None:
    """The subtype decides, whatever its case and parameters."""
    assert is_json(content_type) is json


NAMES = st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=1, max_size=12)
VISIBLE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="{}"), min_size=1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.integers(0, 4 * 10**15).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
TIMES = st.tuples(MOMENTS, ZONES).map(lambda pair: pair[0].astimezone(pair[1]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, lambda v: st.lists(v, max_size=3)
)
DATA_AND_TYPE = st.one_of(
    st.tuples(st.dictionaries(TEXT, VALUES, max_size=3), st.sampled_from(["application/json", "text/json", None])),
    st.tuples(TEXT, st.just("text/plain; charset=utf-8")),
    st.tuples(st.binary(max_size=20), st.just("application/octet-stream")),
    st.tuples(st.none(), st.sampled_from(["application/json", "text/plain", None])),
)


@st.composite
def sdk_events(draw: st.DrawFn) -> CloudEvent:
    """Events of the CloudEvents SDK that lockstep takes."""
    data, content_type = draw(DATA_AND_TYPE)
    attributes: dict[str, Any] = {
        "specversion": "1.0", "id": draw(VISIBLE), "source": draw(VISIBLE), "type": draw(VISIBLE),
        "subject": draw(VISIBLE), "time": draw(TIMES),
    }  # fmt: skip
    extensions: dict[str, st.SearchStrategy[Any]] = {
        "collapsekey": VISIBLE, "devicetypes": st.lists(NAMES, min_size=1, max_size=4).map(",".join),
        "deviceids": NAMES, "origindevice": VISIBLE, "version": st.integers(0, 2**31 - 1), "traceparent": VISIBLE,
        "other": VISIBLE, "expirytime": TIMES.map(datetime.isoformat),
    }  # fmt: skip
    for name in draw(st.sets(st.sampled_from(sorted(extensions)))):
        attributes[name] = draw(extensions[name])
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    assume(len(attributes["subject"].encode()) <= 128)
    return CloudEvent(attributes, data)


def _decode(message: KafkaMessage, account: str) -> Event:
    return decode(account.encode(), message.value, list(message.headers.items()))


@given(sdk_events())
def test_both_modes_of_the_sdk_decode_equal(event: CloudEvent) -> None:
    """What the reference implementation writes in binary and in structured mode is the same event here, and its own."""
    account = event.get_subject() or ""
    read = _decode(to_structured_event(event), account)
    assert read == _decode(to_binary_event(event), account)
    moment = event.get_time()
    assert moment is not None
    assert (read.account, read.id, read.source, read.type) == (
        account, event.get_id(), event.get_source(), event.get_type()
    )  # fmt: skip
    assert read.time == (moment - EPOCH) // timedelta(milliseconds=1)
    assert read.revision == event.get_attributes().get("version", -1)
    assert read.origin == event.get_attributes().get("origindevice", "")


def _settle(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]) -> None:
    try:
        event = decode(key, value, headers)
    except BadEvent:
        return
    assert event.account.encode() == key
    assert max(map(len, (event.id, event.source, event.type))) <= MAX_ID


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "ce_id", "ce_time", "ce_subject", "ce_specversion", "ce_version"]) | st.text(),
        st.none() | st.binary() | st.sampled_from([b"application/cloudevents+json", b"1.0", b"2027-01-15T08:00:00Z"]),
    )
)


@given(st.none() | st.binary(), st.none() | st.binary(), HEADERS)
def test_arbitrary_records_are_refused_or_decoded(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    """Whatever the bytes are, there is an event or BadEvent, and no other exception."""
    _settle(key, value, headers)


@given(st.sampled_from(SEEDS), st.integers(0, 2_000), st.integers(0, 4), st.binary(max_size=4), st.booleans())
def test_mutated_records_are_refused_or_decoded(seed: Raw, place: int, cut: int, put: bytes, head: bool) -> None:
    """Cutting bytes out of the value or a header of a seed and putting others in raises nothing but BadEvent."""

    def mutate(data: bytes | None) -> bytes:
        data = data or b""
        at = place % (len(data) + 1)
        return data[:at] + put + data[at + cut :]

    if head and seed.headers:
        chosen = place % len(seed.headers)
        headers = [(n, mutate(v) if i == chosen else v) for i, (n, v) in enumerate(seed.headers)]
        _settle(seed.key, seed.value, headers)
    else:
        _settle(seed.key, mutate(seed.value), seed.headers)


@given(
    st.sampled_from([*ATTRIBUTES, "data", "data_base64", "expirytime", "deviceids", "version", "traceparent"]),
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | TEXT, lambda v: st.lists(v, max_size=3)),
)
def test_any_json_value_for_an_attribute_is_refused_or_decoded(name: str, value: Any) -> None:
    """Members of every JSON type, NaN and half surrogates included, raise nothing but BadEvent."""
    _settle(*structured(**{name: value}))
