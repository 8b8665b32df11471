"""The tables on a real Kafka: recovery, rebalances, and changelogs that are cut, emptied, compacted or damaged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.index import key_of
from streams.rows import SEEN, RowKey, decode_key, decode_row, encode_row
from streams.transport import EXIT_FAILED
from tests.integration.tables.router import CHANGELOG, PARTITIONS, Router, id_of, until

FEW = 20_000


@pytest.fixture
def router(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Router]:
    """Topics are made by the test, and deleted after it."""
    made = Router(kafka, prefix, tmp_path)
    try:
        yield made
    finally:
        made.close()


def run_once(router: Router, number: int) -> None:
    """A life of a worker that takes ids 0 to `number`, all new, and stops in peace."""
    router.send(range(number))
    worker = router.start()
    assert router.settled(number, worker)["new"] == number
    assert worker.stop() == 0


def test_a_million_entries_are_whole_after_a_restart(router: Router) -> None:
    """After kill -9, each of 1,000,000 ids is known again and each repeat is recognised."""
    million = 1_000_000
    router.create({})
    router.send(range(million))
    first = router.start()
    assert router.settled(million, first)["entries"] == million
    first.kill()
    second = router.start()
    report = second.recovered()
    assert report["entries"] == million
    assert report["bytes"] <= 40 * million
    router.send(range(million))
    counts = router.settled(million, second)
    assert (counts["new"], counts["replays"], counts["duplicates"]) == (0, 0, million)
    assert router.count("events") == million


def test_many_small_rows_are_recovered(router: Router) -> None:
    """At low load each row holds one entry; their number must not make recovery slow, nor lose any."""
    rows = 100_000
    router.create({})
    now = int(time.time() * 1000)
    for number in range(rows):
        key = RowKey(number % PARTITIONS, now, number, number)
        entry = SEEN.pack(*key_of(id_of(number)), number, 0, 0)
        router.put(CHANGELOG, key.partition, key.encode(), encode_row(SEEN, now, entry))
    worker = router.start()
    assert worker.recovered()["entries"] == rows
    assert worker.now()["rows_read"] == rows
    router.send(range(rows, rows + 1000))
    router.send(range(1000))
    counts = router.settled(2000, worker)
    assert (counts["new"], counts["replays"] + counts["duplicates"]) == (1000, 1000)


def test_two_members_hold_each_partition_once(router: Router) -> None:
    """Through a join, a kill and a leave, every id is known by exactly one member, and no repeat passes."""
    router.create({})
    router.send(range(FEW))
    first = router.start()
    assert router.settled(FEW, first)["entries"] == FEW
    second = router.start()
    half = PARTITIONS // 2
    assert first.recovered(half)["entries"] == second.recovered(half)["entries"] == FEW // 2
    router.send(range(FEW + 1000))
    counts = router.settled(2 * FEW + 1000, first, second)
    assert (counts["new"], counts["duplicates"], counts["entries"]) == (FEW + 1000, FEW, FEW + 1000)
    second.kill()
    assert first.recovered()["entries"] == FEW + 1000
    third = router.start()
    assert first.recovered(half)["entries"] + third.recovered(half)["entries"] == FEW + 1000
    assert first.stop() == 0
    assert third.recovered()["entries"] == FEW + 1000
    router.send(range(FEW + 1000))
    counts = router.settled(FEW + 1000, third)
    assert (counts["new"], counts["duplicates"]) == (0, FEW + 1000)
    assert router.count("events") == FEW + 1000


def test_a_changelog_without_its_head_is_recovered(router: Router) -> None:
    """What the remaining rows hold is known; the rest is new again."""
    router.create({})
    run_once(router, FEW)
    router.cut({partition: high // 2 for partition, (_, high) in router.ends(CHANGELOG).items()})
    left = sum(len(decode_row(SEEN, record.value or b"")[1]) for record in router.read(CHANGELOG))
    assert 0 < left < FEW
    worker = router.start()
    assert worker.recovered()["entries"] == left
    router.send(range(FEW))
    counts = router.settled(FEW, worker)
    assert (counts["new"], counts["duplicates"]) == (FEW - left, left)


def test_a_changelog_of_which_everything_is_gone_is_recovered(router: Router) -> None:
    """In one partition after the other, or in all: the worker starts with what there is."""
    router.create({})
    run_once(router, FEW)
    ends = {partition: high for partition, (_, high) in router.ends(CHANGELOG).items()}
    router.cut({0: ends[0]})
    worker = router.start()
    assert worker.recovered()["entries"] == FEW - FEW // PARTITIONS
    assert worker.stop() == 0
    router.cut(ends)
    worker = router.start()
    assert worker.recovered()["entries"] == 0
    router.send(range(FEW, FEW + 100))
    assert router.settled(100, worker)["new"] == 100
    assert worker.now()["entries"] == 100


def test_rows_leave_with_their_bucket_and_compaction_leaves_the_rest_whole(router: Router) -> None:
    """Old rows are deleted by the worker, cleaned away by the broker, and what is in the window is recovered."""
    window = 4_000
    cleaned = {
        "cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "0", "max.compaction.lag.ms": "1000",
    }  # fmt: skip
    router.create(cleaned)
    worker = router.start(window_ms=window)
    sent = 0

    def gaps() -> bool:
        nonlocal sent
        router.send(range(sent, sent + 200))
        sent += 200
        written = router.count(CHANGELOG)
        return len(router.read(CHANGELOG)) < written / 2

    until(gaps, "the broker has cleaned half of the changelog", 120)
    counts = router.settled(sent, worker)
    assert counts["new"] == sent
    assert counts["entries"] < sent
    worker.kill()
    last = {record.key: record.value for record in router.read(CHANGELOG)}
    alive = {key for key, value in last.items() if value is not None}
    # the broker may have cleaned away the last of the deletions too
    dead_until = max((decode_key(key).start for key, value in last.items() if value is None), default=-1)
    again = router.start(window_ms=window)
    report = again.recovered()
    assert report["entries"] == sum(
        len(decode_row(SEEN, last[key] or b"")[1]) for key in alive if decode_key(key).start > dead_until
    )
    router.send(range(sent, sent + 200))
    assert router.settled(200, again)["new"] == 200


@pytest.mark.parametrize("damage", ["torn", "checksum", "key"])
def test_a_damaged_row_stops_the_worker(router: Router, damage: str) -> None:
    """It ends with status 70 and says where the row is; nothing is taken from `ingest`."""
    router.create({})
    run_once(router, FEW)
    value = encode_row(SEEN, 0, SEEN.pack(1, 2, 3, 4, 5))
    key = b"1/0/3/3"
    if damage == "torn":
        value = value[:-1]
    elif damage == "checksum":
        value = value[:-1] + b"\xff"
    else:
        key = b"1/0/3"
    router.put(CHANGELOG, 1, key, value)
    router.send(range(FEW))
    worker = router.start()
    assert worker.process.wait(60) == EXIT_FAILED
    log = worker.log.read_text()
    assert "CorruptChangelog" in log
    assert f"{router.prefix}{CHANGELOG}[1] at offset" in log
    assert router.count("events") == FEW
    assert id_of(0) in {record.value for record in router.read("ingest")}


def test_at_its_bound_the_table_forgets_the_oldest_first(router: Router) -> None:
    """Memory stays bounded and every event goes on; it is counted and logged; also what recovery reads is bounded."""
    most = 1_000
    router.create({})
    router.send(range(FEW))
    worker = router.start(most=most, poll=200)
    counts = router.settled(FEW, worker)
    assert counts["new"] == FEW
    assert counts["entries"] <= most * PARTITIONS
    assert worker.now()["early_drops"] >= FEW / most - PARTITIONS
    assert f"more than {most} entries, the oldest went early" in worker.log.read_text()
    last = range(FEW - 40, FEW)
    router.send(last)
    counts = router.settled(FEW + len(last), worker)
    assert (counts["new"] + counts["duplicates"], worker.process.poll()) == (FEW + len(last), None)
    worker.kill()
    assert router.start(most=most).recovered()["entries"] <= most * PARTITIONS


def test_at_its_bound_the_table_can_stop_the_partition(router: Router) -> None:
    """Where repeats would be worse than waiting: no entry is forgotten, and with a higher bound all goes on."""
    router.create({})
    router.send(range(FEW))
    most = FEW // PARTITIONS // 2
    worker = router.start(most=most, then="stop", poll=200)
    until(lambda: len(worker.now().get("stopped", [])) == PARTITIONS, "all partitions are stopped", 60)
    report = worker.now()
    assert 0 < report["new"] < FEW
    assert report["early_drops"] == 0
    assert set(report["stopped"]) == {reason for reason in report["stopped"] if f"at most {most} may be held" in reason}
    assert worker.stop() == 0
    again = router.start(most=FEW, then="stop")
    assert again.recovered()["entries"] >= report["new"]
    assert router.settled(FEW - report["new"], again)["new"] == FEW - report["new"]
    router.send(range(FEW))
    assert router.settled(2 * FEW - report["new"], again)["duplicates"] == FEW
    assert router.count("events") == FEW
