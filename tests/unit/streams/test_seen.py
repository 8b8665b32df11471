"""`seen` and dead letters that come again: an id takes effect once, by whichever of its records went on."""

from __future__ import annotations

import pytest

from streams.seen import NEW, REPLAY, SeenEntry, SeenState, SeenVerdict
from streams.state import BUCKETS

BUCKET = 100
WINDOW = BUCKETS * BUCKET
NOW = 10_000


def record(offset: int, digest: int = 0, now: int = NOW, first: int = -1) -> SeenEntry:
    """A record of the one event."""
    return SeenEntry(b"fingerprint!", offset, digest, now, first)


def judge(judging: SeenState, *records: SeenEntry) -> list[SeenVerdict]:
    """Verdicts of records that come one after the other."""
    return [judging.judge([each])[0][0] for each in records]


@pytest.mark.parametrize("before", [[], [record(5)]], ids=["refused before it was judged", "judged"])
def test_a_dead_letter_that_comes_again_takes_effect_once(before: list[SeenEntry]) -> None:
    """Whether or not its first record is known; the next one repeats it, and so does the event under its id."""
    judging = SeenState(0, WINDOW)
    judge(judging, *before)
    assert judge(judging, record(8, first=5), record(9, first=5)) == [NEW, SeenVerdict(8)]
    assert judge(judging, record(10)) == [SeenVerdict(5 if before else 8)]


@pytest.mark.parametrize("before", [[], [record(5)]], ids=["refused before it was judged", "judged"])
def test_a_dead_letter_that_came_again_goes_on_in_a_replay(before: list[SeenEntry]) -> None:
    """In the same life, and in the next one, which has read the rows of this one."""
    judging = SeenState(0, WINDOW)
    _, rows = judging.judge([*before, record(8, first=5)])
    assert judge(judging, record(8, first=5)) == [REPLAY]
    after = SeenState(0, WINDOW)
    for key, value in rows:
        after.read(key, value)
    after.settle()
    assert judge(after, record(8, first=5), record(9, first=5)) == [REPLAY, SeenVerdict(8)]


def test_another_payload_under_the_id_is_no_dead_letter_come_again() -> None:
    """What lay at that offset had other bytes: the id is in conflict."""
    judging = SeenState(0, WINDOW)
    assert judge(judging, record(5, digest=1), record(8, digest=2, first=5)) == [NEW, SeenVerdict(5, True, digest=1)]


@pytest.mark.parametrize("offsets", [(5, 6), (6, 5)])
def test_of_entries_in_two_buckets_the_first_is_repeated(offsets: tuple[int, int]) -> None:
    """Two lives let one id go on, at times that lie apart."""
    rows = [
        row
        for place, offset in enumerate(offsets)
        for row in SeenState(0, WINDOW).judge([record(offset, now=NOW + place * BUCKET)])[1]
    ]
    judging = SeenState(0, WINDOW)
    for key, value in rows:
        judging.read(key, value)
    judging.settle()
    assert judge(judging, record(7)) == [SeenVerdict(5)]
