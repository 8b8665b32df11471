"""What is judged again fits into memory, whatever lies in the topic, and every partition has a part in it."""

from __future__ import annotations

from collections.abc import Iterator

from edge.console.dry.sample import Range, Sample, samples
from edge.console.dry.tally import EXAMPLES, End, Tally, Twice
from streams.transport.client import RawRecord

SIZE = 100


def read(partition: int, start: int, end: int) -> Iterator[RawRecord]:
    """Records of a hundred bytes."""
    return (RawRecord(offset, 1000 * partition + offset, b"k" * 10, b"v" * 80, [("n" * 5, b"v" * 5)])
            for offset in range(start, end))  # fmt: skip


def taken(*ranges: Range, most: int = 1000, room: int = 1 << 20) -> dict[int, Sample]:
    """The sample of each partition."""
    return {each.partition: each for each in samples(ranges, read, most, room)}


def spans(found: dict[int, Sample]) -> dict[int, tuple[int, int, int]]:
    """Of each partition: how many are read, from where on they are judged, how many are missing."""
    return {
        partition: (len(found[partition].records), found[partition].first, found[partition].left_out)
        for partition in sorted(found)
    }


def test_what_fits_is_taken_whole() -> None:
    """With what comes before it, by which duplicates are known."""
    assert spans(taken(Range(0, 0, 40, 100), Range(1, 5, 5, 5))) == {0: (100, 40, 0), 1: (0, 5, 0)}


def test_too_many_leave_out_the_oldest_of_every_partition() -> None:
    """What a quiet partition does not need is the share of the others."""
    found = taken(Range(0, 0, 0, 5000), Range(1, 0, 10, 100), Range(2, 0, 0, 600), most=1000)
    assert spans(found) == {0: (450, 4550, 4550), 1: (100, 10, 0), 2: (450, 150, 150)}
    assert found[0].records[-1].offset == 4999


def test_too_large_ones_leave_out_the_oldest_of_every_partition() -> None:
    """By their bytes: key, value and headers. What is only read before the range may be missing without a word."""
    found = taken(Range(0, 0, 0, 500), Range(1, 0, 480, 500), most=1000, room=100 * SIZE)
    assert spans(found) == {0: (50, 450, 450), 1: (50, 480, 0)}
    assert [record.offset for record in found[0].records] == list(range(450, 500))
    assert spans(taken(Range(0, 0, 0, 3), room=SIZE - 1)) == {0: (0, 3, 3)}


def test_a_tally_keeps_counts_and_the_newest_examples() -> None:
    """Of all partitions, whichever was judged last."""
    tally = Tally(7)
    lost = {"left_out": {"records": 0, "partitions": 0, "of": 2}, "window": {"from": 7, "to": 9000}}
    assert lost.items() <= tally.told(9000, 2).items()
    passed, stale = End("delivered", 1, "", 200), End("stale", -1, "too old", None)
    for partition in (1, 0):
        records = list(read(partition, 0, 30))
        pairs = [Twice(record, passed, stale if record.offset % 2 else passed) for record in records]
        tally.add(pairs, Sample(partition, 0, records, partition), shown)
    answer = tally.told(9000, 2)
    assert (answer["events"], answer["changed"], len(answer["examples"])) == (60, 30, EXAMPLES)
    assert [each["event"]["at"] for each in answer["examples"]][-2:] == [1027, 1029]
    assert answer["left_out"] == {"records": 1, "partitions": 1, "of": 2}
    assert answer["window"] == {"from": 0, "to": 9000}
    assert (answer["now"]["delivered"], answer["then"]["delivered"], answer["then"]["stale"]) == (60, 30, 30)
    assert answer["delay_ms"]["then"] == {"p50": 200, "p99": 200, "max": 200}


def shown(partition: int, pair: Twice) -> dict[str, dict[str, int]]:
    """When it came."""
    return {"event": {"partition": partition, "at": pair.record.timestamp}}
