"""Where plain ends: every limit on both sides, and every place of a record with something put into it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import msgspec
import pytest

from agents.route import Router
from streams.cloudevents import _any_json, _time
from streams.event import BadEvent
from streams.limits import Limits
from streams.murmur2 import partition_for
from streams.native.kernel import nothing_plain
from streams.settings import Settings
from streams.topology import Topology
from tests.unit.fakes import NOW, FakeBatch, FakeOutput, FakeRecord, make_stage, shipped_topology
from tests.unit.streams.native import cases

ORDINARY: Final[dict[str, Any]] = {
    "specversion": "1.0", "id": "e1", "source": "/s", "type": "member.plan.changed", "subject": "acct",
    "time": "2027-01-15T08:00:00Z", "datacontenttype": "application/json", "data": {"x": 1},
}  # fmt: skip
DAY: Final = 86_400_000


def router(topology: Topology | None = None, **limits: Any) -> Router:
    """A router of the shipped topology, or of another one."""
    stage = make_stage("route", FakeOutput(), settings=Settings(limits=Limits(**limits)))
    return Router(msgspec.structs.replace(stage, topology=topology or shipped_topology()))


def same_by_python(one: Router, records: Sequence[FakeRecord], partition: int, clock: int = -1) -> int:
    """How many of these are plain; both ways must say the same of all."""
    batch = FakeBatch("ingest", records, partition, clock=clock)
    plain = len(one._plain(records, partition, clock)[0])
    quick = cases.judged(one, batch)
    taken, one._plain = one._plain, nothing_plain
    one._places._right.clear()
    assert quick == cases.judged(one, batch)
    one._plain = taken
    return plain


def record(changes: dict[str, Any] | None = None, offset: int = 0, **more: Any) -> FakeRecord:
    """An ordinary record, but for some attributes; `...` leaves one out."""
    said = {name: text for name, text in {**ORDINARY, **(changes or {})}.items() if text is not ...}
    value = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    return FakeRecord(offset, str(said["subject"]).encode(), value, [cases.STRUCTURED], **more)


def put_in(text: bytes, pieces: Sequence[bytes], most: int = 2) -> Iterator[bytes]:
    """The text with each piece at each place, beside what was there and instead of it; and each beginning of it."""
    for at in range(len(text) + 1):
        yield text[:at]
        for piece in pieces:
            for instead in range(most + 1):
                yield text[:at] + piece + text[at + instead :]


def is_json(text: bytes) -> bool:
    """What Python says of a payload."""
    try:
        text.decode()
        _any_json(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def test_json_with_anything_anywhere(module: Any) -> None:
    """Nothing is taken for JSON that Python refuses."""
    text = '{"a":["é\\u00e9\\ud83d\\ude00",-10.5e+3,{},[ ],true,null], "":0}'.encode()
    taken = 0
    for damaged in put_in(text, cases.PIECES):
        if module.is_json(damaged):
            assert is_json(damaged), damaged
            taken += 1
    assert taken > 400


@pytest.mark.parametrize("depth", [1, 30, 31, 32, 33, 34, 200])
def test_json_of_any_depth(module: Any, depth: int) -> None:
    """Up to 32 containers in each other are plain, of both kinds."""
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")):
        text = opened * depth + b"1" + closed * depth
        assert is_json(text)
        assert module.is_json(text) == (depth * len(closed) <= 32)
        assert not module.is_json(text[:-1])
        assert not module.is_json(text + closed)


def test_moments_with_anything_anywhere(module: Any) -> None:
    """Each is that of Python, or none."""
    pieces = [bytes([c]) for c in b"0123456789TZtz+-:., "]
    read = 0
    for text in (b"2028-02-29T23:59:59.123456789+23:59", b"2027-12-31T00:00:00Z", b"2000-02-28T09:09:09.5-00:30"):
        for damaged in put_in(text, pieces):
            told = module.moment(damaged)
            try:
                expected = _time("time", damaged.decode())
            except BadEvent:
                expected = None
            assert told in (None, expected), damaged
            read += told is not None
    assert read > 300


def test_an_event_with_anything_anywhere(module: Any) -> None:
    """Of each damaged event both ways say the same."""
    said = {**ORDINARY, "version": 7, "collapsekey": "k", "traceparent": "00-1", "more": ["é", {"a": "\\"}]}
    values = put_in(json.dumps(said, ensure_ascii=False).encode(), cases.PIECES, most=1)
    records = [FakeRecord(n, b"acct", value, [cases.STRUCTURED]) for n, value in enumerate(values)]
    assert same_by_python(router(), records, cases.PARTITION) > 1000


ODD: Final[dict[str, dict[str, Any]]] = {
    "as long as may be": {"id": "x" * 256, "source": "/" * 256, "collapsekey": "k" * 256, "traceparent": "t" * 64},
    "trace cut": {"traceparent": "t" * 65},
    "id too long": {"id": "x" * 257},
    "source too long": {"source": "x" * 257},
    "collapse key too long": {"collapsekey": "x" * 257},
    "no data": {"data": ...},
    "neither data nor its type": {"data": ..., "datacontenttype": ...},
    "longest account": {"subject": "a" * 128},
    "account too long": {"subject": "a" * 129},
    "brace": {"subject": "a{"},
    "other brace": {"subject": "a}"},
    "delete in the account": {"subject": "a\x7f"},
    "delete in the id": {"id": "a\x7f"},
    "space in the account": {"subject": "a b"},
    "just young enough": {"time": NOW - DAY},
    "just too old": {"time": NOW - DAY - 1},
    "just near enough": {"time": NOW + 300_000},
    "just too far": {"time": NOW + 300_001},
}
PLAIN: Final = {
    "as long as may be", "trace cut", "no data", "neither data nor its type", "longest account", "delete in the id",
    "space in the account", "just young enough", "just near enough",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_limits_of_attributes(module: Any, name: str) -> None:
    """What lies within them is plain, and what does not is judged by Python."""
    changes = ODD[name]
    if isinstance(changes.get("time"), int):
        changes = {"time": f"{datetime.fromtimestamp(changes['time'] / 1000, UTC):%FT%T.%f}Z"}
    made = record(changes)
    partition = partition_for(made.key or b"", 8)
    assert same_by_python(router(), [made], partition) == (name in PLAIN)


@pytest.mark.parametrize("size", [31, 32, 255, 256, 65_535, 65_536])
def test_payloads_of_every_size_class(module: Any, size: int) -> None:
    """The head of a payload grows with it."""
    made = record({"data": "x" * (size - 2)})
    assert same_by_python(router(event_bytes=100_000), [made], cases.PARTITION) == 1


@pytest.mark.parametrize("more", [0, 1])
def test_an_event_of_just_the_limit(module: Any, more: int) -> None:
    """Value and headers count."""
    made = record()
    size = len(made.value or b"") + sum(len(name) + len(value) for name, value in made.headers)
    assert same_by_python(router(event_bytes=size - more), [made], cases.PARTITION) == 1 - more


@pytest.mark.parametrize("bits", [0, 5, 7, 8, 15, 16, 31, 32, 53, 59])
def test_numbers_of_every_size_class(module: Any, bits: int) -> None:
    """A number takes the fewest bytes; as text too."""
    for version in ((1 << bits) - 1, 1 << bits):
        for told in (version, str(version), f"0{version}"):
            made = record({"version": told}, offset=(1 << bits) % (1 << 47))
            assert same_by_python(router(), [made], cases.PARTITION) == (len(str(told)) <= 18)


def test_no_event_is_read_for_longer_than_a_week(module: Any) -> None:
    """Whatever its use case says."""
    cases_ = shipped_topology().use_cases
    long = msgspec.structs.replace(cases_["plan-change"], ttl="8d")
    topology = msgspec.structs.replace(shipped_topology(), use_cases={**cases_, "plan-change": long})
    assert same_by_python(router(topology), [record()], cases.PARTITION) == 1


def test_each_attribute_twice(module: Any) -> None:
    """The later one counts in Python; neither is plain."""
    for name, text in {**ORDINARY, "version": 1, "collapsekey": "k", "traceparent": "t"}.items():
        value = json.dumps({**ORDINARY, name: text}).encode()
        twice = value[:-1] + f",{json.dumps(name)}:{json.dumps(text)}}}".encode()
        assert same_by_python(router(), [FakeRecord(0, b"acct", twice, [cases.STRUCTURED])], cases.PARTITION) == 0


@pytest.mark.parametrize("clock", [-1, 0, NOW - 1, NOW, NOW + 1, NOW + DAY, NOW + DAY + 1, 2**48, 2**62, 2**70])
def test_log_times(module: Any, clock: int) -> None:
    """Of any size, before the batch and of a record in it; also that of a record which is not plain."""
    made = [record({"id": f"e{n}"}, n) for n in range(3)]
    after = same_by_python(router(), made, cases.PARTITION, clock)
    assert after == (3 if clock <= NOW + DAY else 0)
    made[1].timestamp, made[1].value = clock, b"no event"
    assert same_by_python(router(), made, cases.PARTITION) == (2 if clock <= NOW + DAY else 1)


def test_offsets(module: Any) -> None:
    """Up to the bits that a position has for them."""
    for offset in (0, 1, (1 << 48) - 1, 1 << 48, 1 << 52):
        assert same_by_python(router(), [record(offset=offset)], cases.PARTITION) == (offset < 1 << 48)


def test_headers_of_every_kind(module: Any) -> None:
    """Beside those of an event, in both modes, before and behind them."""
    value, headers = cases.binary(Random(0), ORDINARY)
    for own, text in ((headers, value), ([cases.STRUCTURED], record().value or b"")):
        for header in cases.HEADERS:
            for whole in ([header, *own], [*own, header], [*own, header, header]):
                same_by_python(router(), [FakeRecord(0, b"acct", text, whole)], cases.PARTITION)
        assert same_by_python(router(), [FakeRecord(0, b"acct", text, tuple(own))], cases.PARTITION) == 1
