"""The native part of `route`: it gives what Python gives, to the byte, or leaves a record to it."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, cast
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.route import Router
from bench import plan as bench_plan
from bench.route import load
from deploy.native import compiler
from streams.cloudevents import _time
from streams.fingerprint import SIZE
from streams.murmur2 import murmur2, partition_for
from streams.native import sources
from streams.native.kernel import nothing_plain
from streams.native.sources import native
from tests.lacking import lacking
from tests.unit.fakes import NOW, ROOT, FakeBatch, FakeOutput, FakeRecord, make_stage
from tests.unit.streams.native import cases

SANITIZED_S = 5.0  # seconds of chance under the sanitizers
BYTES = st.binary(max_size=300)
SHORT_KEYS = st.binary(max_size=64)


@given(random=st.randoms(use_true_random=False))
def test_a_batch_is_judged_as_by_python(module: Any, random: Random) -> None:
    """Accepted events with their envelopes, entries and lanes, and refused ones, in order, under any rules."""
    router, batch = cases.routers(random), cases.batch(random)
    quick = cases.judged(router, batch)
    router._plain = nothing_plain
    assert quick == cases.judged(router, batch)


def test_by_chance_most_records_are_plain_and_many_are_not(module: Any) -> None:
    """So the test above holds something against Python, and leaves something to it."""
    random = Random(1)
    taken = left = wrong = 0
    for _ in range(400):
        router, batch = cases.routers(random), cases.batch(random)
        accepted, rest = router._plain(batch.records, batch.partition, batch.clock)
        taken, left = taken + len(accepted), left + len(rest)
        router._plain = nothing_plain
        by_python = {each.record.offset: each for each in cases.judged(router, batch)[0]}
        wrong += sum(by_python.get(each.record.offset) != each for each in accepted)
        for each in accepted:
            assert list(map(type, each)) == list(map(type, by_python[each.record.offset]))
    assert wrong == 0
    assert taken > 300
    assert left > 400


@given(data=BYTES, key=SHORT_KEYS, person=st.binary(max_size=16))
@example(data=b"x" * 127, key=b"", person=b"seen")
@example(data=b"x" * 128, key=b"k" * 64, person=b"seen")
@example(data=b"x" * 255, key=b"k", person=b"")
def test_fingerprints_are_those_of_hashlib(module: Any, data: bytes, key: bytes, person: bytes) -> None:
    """BLAKE2b, keyed and personal, over the bounds of its blocks."""
    expected = blake2b(data + b".", digest_size=SIZE, key=key, person=person).digest()
    assert module.fingerprint(key, person, data + b".") == expected


@given(data=BYTES)
@example(data=b"")
def test_digests_and_partitions_are_those_of_python(module: Any, data: bytes) -> None:
    """The CRC-32 of zlib, and the murmur2 of Kafka."""
    assert module.crc32(data) == crc32(data)
    assert module.murmur2(data) == murmur2(data)


@given(random=st.randoms(use_true_random=False), at=st.integers(NOW - 40 * 365 * cases.DAY, NOW + 90 * 365 * cases.DAY))
def test_moments_are_those_of_python(module: Any, random: Random, at: int) -> None:
    """Whatever the native part reads at all."""
    text = cases.moment(random, at)
    told = module.moment(text.encode())
    assert told is None or told == _time("time", text)


def test_usual_moments_are_read(module: Any) -> None:
    """Of any day in a year with a leap day and in one without."""
    for day in range(NOW, NOW + 800 * cases.DAY, cases.DAY + 61_001):
        text = datetime.fromtimestamp(day / 1000, UTC).isoformat()
        assert module.moment(text.encode()) == _time("time", text)
    assert module.moment(b"2027-02-29T00:00:00Z") is None
    assert module.moment(b"2100-02-29T00:00:00Z") is None


@pytest.mark.parametrize("value", [value for value in cases.DATA if value is not cases.DATA[-1]], ids=repr)
def test_json_of_every_kind_is_plain(module: Any, value: Any) -> None:
    """With escapes and without."""
    for plainly in (True, False):
        text = json.dumps(value, ensure_ascii=plainly).encode()
        assert module.is_json(text)
        assert module.is_json(b' {"x" : [ ' + text + b" , 1.5e-3 ] }\n")


def plain(records: list[FakeRecord], partition: int) -> int:
    """How many of these a router of the shipped topology takes without Python."""
    router = Router(make_stage("route", FakeOutput()))
    accepted, left = router._plain(records, partition, -1)
    assert len(accepted) + len(left) == len(records)
    return len(accepted)


def test_the_events_of_the_benchmarks_are_plain(module: Any) -> None:
    """All but those that are stale; and of the other benchmark all whose devices are not chosen."""
    began = datetime.fromtimestamp(NOW / 1000, UTC)
    for number in range(400):
        event = load.plan(number)
        record = FakeRecord(number, event.account.encode(), load.value_of(event, began), load.HEADERS)
        assert plain([record], load.home(event.account, 8)) == (event.kind != "stale"), number
    for planned in bench_plan.Load("one", "run", 10, 0, 40).events():
        account = bench_plan.account_name("run", planned.account).encode()
        record = FakeRecord(0, account, bench_plan.value(planned, "run", NOW / 1000), load.HEADERS)
        assert plain([record], partition_for(account, 8)) == 1


ORDINARY = {
    "specversion": "1.0", "id": "e1", "source": "/s", "type": "member.plan.changed", "subject": "acct",
    "time": "2027-01-15T08:00:00Z", "datacontenttype": "application/json", "data": {"x": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"data": ...}, 1),
        ({"datacontenttype": ...}, 1),
        ({"data": {"name": "für dich"}}, 1),
        ({"collapsekey": "k", "version": 7, "traceparent": "00-1", "partitionkey": "acct"}, 1),
        ({"version": "7"}, 1),
        ({"expirytime": "2027-01-15T09:00:00Z"}, 0),
        ({"devicetypes": "tv"}, 0),
        ({"deviceids": "d1"}, 0),
        ({"origindevice": "d1"}, 0),
        ({"datacontenttype": "text/plain", "data": "x"}, 0),
        ({"id": "é"}, 0),
        ({"type": "nobody.knows"}, 0),
        ({"time": "2027-01-13T07:00:00Z"}, 0),
        ({"subject": "other"}, 0),
    ],
)
def test_what_is_plain(module: Any, changes: dict[str, Any], expected: int) -> None:
    """In structured mode, and in binary mode too."""
    said = {name: text for name, text in {**ORDINARY, **changes}.items() if text is not ...}
    value, headers = cases.binary(Random(0), said)
    whole = FakeRecord(0, b"acct", json.dumps(said, ensure_ascii=False).encode(), [cases.STRUCTURED])
    assert plain([whole], cases.PARTITION) == expected
    assert plain([FakeRecord(0, b"acct", value, headers)], cases.PARTITION) == expected


def test_an_event_on_the_wrong_partition_is_left(module: Any) -> None:
    """Python says which is the right one."""
    record = FakeRecord(0, b"acct", json.dumps(ORDINARY).encode(), [cases.STRUCTURED])
    assert plain([record], (cases.PARTITION + 1) % 8) == 0


def test_a_record_that_cannot_be_read_is_an_error(module: Any) -> None:
    """As it is in Python."""
    router, broken = Router(make_stage("route", FakeOutput())), cast(FakeRecord, object())
    with pytest.raises(AttributeError):
        router._plain([broken], 0, -1)


def test_without_the_native_part_all_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the log time at each record; and so it is with a native part of other sources."""
    monkeypatch.setattr(sources, "digest", lambda: "other")
    assert native() is None
    monkeypatch.setattr(sources, "MODULE", "streams.native._nothing")
    assert native() is None
    router = Router(make_stage("route", FakeOutput()))
    assert router._plain is nothing_plain
    records = [FakeRecord(n, b"acct", b"", (), time) for n, time in enumerate((5, 9, 7))]
    assert nothing_plain(records, 0, 6) == ([], [(records[0], 6), (records[1], 9), (records[2], 9)])


def test_batches_leave_nothing_behind(module: Any) -> None:
    """Neither memory nor references, whatever the records are, and whether one of them raises."""
    random = Random(2)
    work = [(cases.routers(random), cases.batch(random)) for _ in range(60)]
    broken = FakeBatch("ingest", [*work[0][1].records, cast(FakeRecord, object())])

    def once() -> None:
        for router, batch in work:
            router._plain(batch.records, batch.partition, batch.clock)
            Router(make_stage("route", FakeOutput()))._plain(batch.records, batch.partition, batch.clock)
            with pytest.raises(AttributeError):
                router._plain(broken.records, 0, -1)

    def held(work: Callable[[], None], times: int) -> int:
        for _ in range(times):
            work()
        gc.collect()  # which empties the interpreter's store of free tuples too
        return tracemalloc.get_traced_memory()[0]

    records = [each for _, batch in work for each in batch.records]
    texts = [text for each in records for text in (each.key, each.value) if text and len(text) > 1]
    counted = [*records, *texts]  # of shorter texts there is one object for all
    tracemalloc.start()
    try:
        once()
        references = [sys.getrefcount(part) for part in counted]
        before = held(once, 3)
        assert held(once, 10) - before < 20_000
        assert [sys.getrefcount(part) for part in counted] == references
    finally:
        tracemalloc.stop()


def test_the_sanitizers_find_nothing(module: Any, tmp_path: Path) -> None:
    """No byte is read beyond its object, nothing is freed twice, no number overflows, and no verdict differs.

    The compiler has no doubts either.
    """
    flags = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
    made = compiler.compiled(
        tmp_path, [*flags, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    )
    found = compiler.compiler()
    assert made is not None
    assert found is not None
    asked = [found, "-print-file-name=libasan.so"]
    library = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(library).is_absolute():
        lacking("this compiler has no library of its sanitizers for other programs")
    environment = {
        **os.environ,
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter leaves much to the end of its process
        "PYTHONMALLOC": "malloc",  # each object is a piece of memory of its own
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.unit.streams.native.sanitized", str(made), str(SANITIZED_S)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
