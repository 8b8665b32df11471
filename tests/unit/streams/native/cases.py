"""Batches of records by chance: ordinary ones, ones that are nearly so, and bytes that mean nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from random import Random
from typing import Any, Final, TypeVar

import msgspec

from agents.route import Refused, Router
from streams.limits import Limits
from streams.murmur2 import partition_for
from streams.native.kernel import Accepted
from streams.settings import Settings
from streams.topology import Topology, UseCaseSpec
from tests.unit.fakes import NOW, FakeBatch, FakeOutput, FakeRecord, make_stage, shipped_topology

T = TypeVar("T")
DAY: Final = 86_400_000
#: Accounts of one partition, as plain as any, and a few that are not.
PARTITION: Final = partition_for(b"acct", 8)
ACCOUNTS: Final = [
    name for name in (f"account-{n}" for n in range(200)) if partition_for(name.encode(), 8) == PARTITION
]
ODD_ACCOUNTS: Final = (
    "a{b}", "}", "x" * 128, "x" * 129, "é", "é" * 64, "é" * 65, "a b", "a\x7f", "a\tb", "\u00a0", "\u200b", "",
    "a\"b", "a\\b",
)  # fmt: skip
STRUCTURED: Final = ("content-type", b"application/cloudevents+json")
TYPES: Final = tuple(name for case in shipped_topology().use_cases.values() for name in case.types)
TEXTS: Final = ("", "x", "é", "a\"b", "a\\b", "a/b", "\x7f", "\x00", "\ud83d\ude00", "x" * 31, "x" * 32, "x" * 255,
    "x" * 256, "x" * 257, "é" * 256, "é" * 257, "\u2028")  # fmt: skip
DATA: Final[tuple[Any, ...]] = (
    {"x": 1}, {}, [], None, True, False, 0, -1, 1.5, 1e300, "text", "", "für dich", "\U0001f600", "a\"b\\c\n",
    {"a": {"b": [{"c": [1, 2, {}, []]}, "x", None]}}, [[[[[[[1]]]]]]], {"": ""}, "x" * 200, "x" * 300, ["é" * 70000],
)  # fmt: skip
#: Bytes that may be put anywhere.
PIECES: Final = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\x00", b"\x1f", b"\x7f", b"\x80", b"\xff",
    b"\xc3\xa9",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x9f\x98\x80",
    b"\\u0041",
    b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\\/", b"\\x", b"null", b"0", b"00", b"-", b"1e5", b".", b"1.0",
    b'"id":"x",',
    b'"data":1,', b'"":"",', b'"x":"y",', b',"version":1', b'"version":01,', b'"version":-0,', b'"version":1.0,',
    b"\xef\xbb\xbf",
    b"[" * 40, b"]" * 40,
)  # fmt: skip
HEADERS: Final = (
    ("content-type", b"application/json"), ("Content-Type", b"application/json"), ("content-type", b"text/plain"),
    ("content-type", b""), ("content-type", b"application/cloudevents+json; charset=utf-8"), ("ce_id", b"other"),
    ("CE_ID", b"x"),
    ("ce_data", b"1"), ("ce_datacontenttype", b"text/plain"), ("ce_expirytime", b"2027-01-15T09:00:00Z"),
    ("ce_nothing", b"x"),
    ("traceparent", b"00-1"), ("lockstep-first", b"%d:1" % PARTITION), ("lockstep-first", b"x"),
    ("ce_collapse\u212aey", b"x"),
    ("ce_source", b"\xff"), ("ce_source", b"\xc3\xa9"), ("ce_version", b"7"), ("x", b"\xff\x00"), ("ce_deviceids",
    b"a"),
)  # fmt: skip


def pick(rng: Random, usual: T, odd: Sequence[Any], odds: int = 12) -> Any:
    """The usual thing, but one time in so many an odd one."""
    return rng.choice(odd) if rng.randrange(odds) == 0 else usual


def moment(rng: Random, at: int) -> str:
    """A time as a producer writes it: of this moment (ms), or an odd one."""
    zone = timezone(timedelta(minutes=rng.choice((0, 0, 60, -330, 1439))))
    told = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
    text = told.isoformat(timespec=rng.choice(("milliseconds", "microseconds", "seconds", "auto", "minutes")))
    text = text.replace("+00:00", rng.choice(("Z", "Z", "+00:00", "-00:00", "z", "")))
    odd = (
        "", "2027", "2027-01-15", "2027-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2027-13-01T00:00:00Z",
        "2027-01-15T24:00:00Z", "2027-01-15T07:59:60Z", "20270115T075900Z", "2027-W02-5T07:00:00Z",
        "2027-01-15 07:59:00Z",
        "2027-01-15T07:59:00,5Z", "2027-01-15T07:59:00.Z", "2027-01-15T07:59:00.123456789Z",
        "2027-01-15T07:59:00.1234567891Z",
        "2027-01-15T07:59:00.1Z", "2027-01-15T07:59:00+24:00", "2027-01-15T07:59:00+00:00:01", "1970-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2027-01-15T07:59:00+1:00", "2027-01-15T07:59:00Zx",
    )  # fmt: skip
    return str(pick(rng, text, odd))


def attributes(rng: Random, account: str, offset: int) -> dict[str, Any]:
    """Those of an event, in any order, some of them odd or missing."""
    age = pick(rng, rng.randrange(3_000_000), (-300_000, -300_001, 3_600_000, 3_600_001, DAY, 900_000, 900_001, -DAY))
    made: dict[str, Any] = {
        "specversion": pick(rng, "1.0", ("0.3", "", "1.00", None, 1.0), 40),
        "id": pick(rng, f"e{offset}", TEXTS, 20),
        "source": pick(rng, "/services/profiles", TEXTS, 20),
        "type": pick(rng, rng.choice(TYPES), (*TEXTS, "nobody.knows"), 20),
        "subject": pick(rng, account, (*ODD_ACCOUNTS, None), 30),
        "time": moment(rng, NOW - int(age)),
        "datacontenttype": pick(rng, "application/json", (*TEXTS, "text/plain", "a/b+json", "Application/JSON", None)),
    }
    more: dict[str, Sequence[Any]] = {
        "collapsekey": TEXTS,
        "version": (0, 7, "0", "007", 10**17, 10**18, 2**63 - 1, 2**63, -1, "", "x", "-1", 1.5, None, "1" * 20, True),
        "traceparent": (*TEXTS, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        "unknown": (*DATA[:-1], *TEXTS),
        "é": TEXTS,
        "expirytime": ("2027-01-15T09:00:00Z", None, ""),
        "devicetypes": ("tv", "fridge", None),
        "deviceids": ("d1", None),
        "origindevice": ("d1", None),
        "data_base64": ("eyJhIjoxfQ==", None, ""),
    }
    for name, odd in more.items():
        if rng.randrange(8 if name in ("collapsekey", "version", "traceparent", "unknown") else 50) == 0:
            made[name] = rng.choice(odd)
    if rng.randrange(10):
        made["data"] = pick(rng, {"title": offset, "note": "x" * rng.randrange(300)}, DATA, 3)
    names = [name for name in made if rng.randrange(100)]
    if rng.randrange(3) == 0:
        rng.shuffle(names)
    return {name: made[name] for name in names}


def mutated(rng: Random, value: bytes) -> bytes:
    """The value with a few pieces put in, taken out or put in the place of others."""
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(value) + 1)
        value = value[:at] + rng.choice(PIECES) + value[at + rng.choice((0, 0, 1, 2, 10)) :]
    return value


def structured(rng: Random, said: dict[str, Any]) -> bytes:
    """The JSON of an event, in one of the ways to write it."""
    style: dict[str, Any] = rng.choice(({"separators": (",", ":")}, {}, {"indent": 2}, {"indent": "\t"}))
    text = json.dumps(said, ensure_ascii=bool(rng.randrange(2)), **style)
    return text.encode("utf-8", "surrogatepass")


def binary(rng: Random, said: dict[str, Any]) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Value and headers of an event in binary mode."""
    headers = [
        ("content-type" if name == "datacontenttype" else f"ce_{name}", str(text).encode("utf-8", "surrogatepass"))
        for name, text in said.items()
        if name != "data" and text is not None
    ]
    padding = rng.choice(("", "", " ", "\n"))
    return f"{padding}{json.dumps(said['data'])}{padding}".encode() if "data" in said else b"", headers


def record(rng: Random, offset: int) -> FakeRecord:
    """One record of `ingest`."""
    account = rng.choice(ACCOUNTS)
    said = attributes(rng, account, offset)
    headers: Sequence[Any] = [STRUCTURED]
    if rng.randrange(4):
        value: bytes = structured(rng, said)
    else:
        value, headers = binary(rng, said)
    if rng.randrange(6) == 0:
        value = mutated(rng, value)
    if rng.randrange(10) == 0:
        headers = [*headers, *rng.choices(HEADERS, k=rng.randrange(1, 3))]
        rng.shuffle(headers)
    subject = str(said.get("subject", account)).encode("utf-8", "surrogatepass")
    return FakeRecord(
        offset,
        pick(rng, subject, (None, b"", b"other", account.encode()), 40),
        pick(rng, value, (None, b"", rng.randbytes(20)), 60),
        pick(rng, headers, ((), tuple(headers), [tuple(STRUCTURED)], [list(STRUCTURED)], [("x", None)]), 20),
        pick(rng, NOW + rng.randrange(-500, 500), (-1, 0, NOW + DAY, NOW - DAY, 2**63, 2**70), 60),
    )


def batch(rng: Random, most: int = 12) -> FakeBatch:
    """A batch of one partition, and the log time before it."""
    first = pick(rng, rng.randrange(1 << 20), (0, (1 << 48) - most, 1 << 48), 20)
    records = [record(rng, first + n) for n in range(rng.randrange(1, most))]
    partition = pick(rng, PARTITION, ((PARTITION + 1) % 8, 99), 20)
    return FakeBatch("ingest", records, partition, clock=pick(rng, NOW - 1000, (-1, NOW + 500, NOW + DAY, 2**70), 8))


@cache
def moving() -> Topology:
    """The topology as shipped, but with a use case that moves to another lane as time goes on."""
    lane = {"is": "low", "from": "2027-01-15T08:00:00Z", "was": "high"}
    case = {**msgspec.to_builtins(shipped_topology().use_cases["plan-change"]), "lane": lane}
    cases = {**shipped_topology().use_cases, "plan-change": msgspec.convert(case, UseCaseSpec)}
    return msgspec.structs.replace(shipped_topology(), use_cases=cases)


def routers(rng: Random) -> Router:
    """A router under one of several sets of rules."""
    limits = Limits(
        event_bytes=pick(rng, 16 * 1024, (300, 500, 1 << 40), 4),
        fingerprint_key=rng.choice(("", "k", "k" * 64, "k" * 65)),
        future_tolerance=pick(rng, 300.0, (0.0, 1e12), 6),
    )
    stage = make_stage("route", FakeOutput(), settings=Settings(limits=limits))
    return Router(msgspec.structs.replace(stage, topology=rng.choice((shipped_topology(), moving()))))


def judged(router: Router, batch: FakeBatch) -> tuple[list[Accepted], list[Refused]]:
    """What a router makes of a batch before it asks for duplicates."""
    accepted, refused = router._judged(batch)
    return accepted, sorted(refused, key=lambda each: each.record.offset)
