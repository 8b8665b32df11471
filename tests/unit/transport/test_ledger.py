"""The books: exact low watermark, whatever the order in which batches finish."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.logtime import UNKNOWN, Progress
from streams.marker import HEADERS
from streams.transport.batch import Batch
from streams.transport.ledger import Ledger, OffsetsWentBack
from streams.transport.mark import Mark

SOURCE = ("t", 0)


class Rec(NamedTuple):
    """A record with nothing in it."""

    offset: int
    timestamp: int = UNKNOWN
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def _hand_out(ledger: Ledger, first: int, end: int) -> Batch:
    batch, _ = ledger.hand_out(*SOURCE, [Rec(offset) for offset in range(first, end)])
    return batch


def test_a_later_batch_does_not_cover_an_earlier_one() -> None:
    """5-9 finished, 0-4 in work, nothing committed before: nothing may be committed; then all."""
    ledger = Ledger()
    early, late = _hand_out(ledger, 0, 5), _hand_out(ledger, 5, 10)
    late.done(9)
    assert ledger.committable() == {}
    assert early.watermark() == -1
    early.done(4)
    assert ledger.committable() == {SOURCE: Mark(10, 9)}


def test_the_mark_is_that_of_the_last_batch_before_the_first_unfinished() -> None:
    """The watermark belongs to the offset, not to the moment."""
    ledger = Ledger()
    first, _, third = _hand_out(ledger, 0, 3), _hand_out(ledger, 3, 6), _hand_out(ledger, 6, 9)
    third.done(80)
    first.done(20)
    assert ledger.committable() == {SOURCE: Mark(3, 20)}
    assert ledger.watermark(SOURCE) == 20


def test_two_unfinished_batches_fill_a_partition() -> None:
    """No third is read until one has finished, and then the reader is told."""
    told: list[bool] = []
    ledger = Ledger(told.append)
    first = _hand_out(ledger, 0, 3)
    assert ledger.has_room(SOURCE)
    second = _hand_out(ledger, 3, 6)
    assert not ledger.has_room(SOURCE)
    assert ledger.has_room(("t", 1))
    second.done(5)
    assert not ledger.has_room(SOURCE)
    first.done(2)
    assert ledger.in_flight(SOURCE) == 0
    assert told == [False, True]


def test_nothing_begins_while_the_books_are_closed() -> None:
    """What is in work goes on and is waited for; what only waits is not begun, and not after the seek either."""
    ledger = Ledger()
    first, second = _hand_out(ledger, 0, 3), _hand_out(ledger, 3, 6)
    assert first.begin()
    ledger.close()
    assert not second.begin()
    assert not ledger.idle()
    first.done(2)
    assert ledger.idle()
    assert ledger.committable() == {SOURCE: Mark(3, 2)}
    ledger.start(SOURCE, Mark(3, 2))
    ledger.open()
    assert not second.begin()
    assert _hand_out(ledger, 3, 6).begin()


def test_a_batch_from_before_a_seek_counts_for_nothing() -> None:
    """It finishes after the partition was read anew: the commit and the watermark stay what the seek found."""
    ledger = Ledger()
    old = _hand_out(ledger, 0, 5)
    ledger.start(SOURCE, Mark(2, 17))
    old.done(40)
    assert ledger.committable() == {}
    assert ledger.watermark(SOURCE) == 17
    assert ledger.position[SOURCE] == 2
    anew = _hand_out(ledger, 2, 5)
    old.done(40)
    assert ledger.in_flight(SOURCE) == 1
    anew.done(41)
    assert ledger.committable() == {SOURCE: Mark(5, 41)}


def test_a_mark_that_grew_during_its_commit_stays_to_be_committed() -> None:
    """Settling removes only what was committed."""
    ledger = Ledger()
    first, second = _hand_out(ledger, 0, 5), _hand_out(ledger, 5, 7)
    first.done(4)
    marks = ledger.committable()
    second.done(6)
    ledger.settle(marks)
    assert ledger.committed == {SOURCE: Mark(5, 4)}
    assert ledger.committable() == {SOURCE: Mark(7, 6)}
    ledger.settle(ledger.committable())
    assert ledger.committable() == {}


def test_forgotten_partitions_leave_nothing() -> None:
    """Nothing of a revoked partition is committed or reported."""
    ledger = Ledger()
    _hand_out(ledger, 0, 5).done(4)
    _hand_out(ledger, 5, 6)
    ledger.forget([SOURCE])
    assert (ledger.committable(), ledger.position, ledger.taken, ledger.in_flight(SOURCE)) == ({}, {}, {}, 0)


def test_jumped_offsets_are_counted() -> None:
    """A gap is an alarm, not an error: retention makes gaps too."""
    ledger = Ledger()
    ledger.start(SOURCE, Mark(10, 3))
    _, missing = ledger.hand_out(*SOURCE, [Rec(12)])
    assert (missing, ledger.gaps) == (2, 1)
    _, missing = ledger.hand_out(*SOURCE, [Rec(13)])
    assert (missing, ledger.gaps) == (0, 1)


def test_offsets_that_go_back_are_refused() -> None:
    """The topic was made anew: reading on would take new events for old ones."""
    ledger = Ledger()
    ledger.start(SOURCE, Mark(10, 3))
    with pytest.raises(OffsetsWentBack, match=r"t\[0\]: got offset 0 after 9"):
        ledger.hand_out(*SOURCE, [Rec(0)])


def _timed(ledger: Ledger, first: int, *timestamps: int) -> Batch:
    records = [Rec(first + number, timestamp) for number, timestamp in enumerate(timestamps)]
    batch, _ = ledger.hand_out(*SOURCE, records)
    return batch


def test_the_commit_stands_before_what_is_held_back() -> None:
    """A batch whose records are held is finished and makes room; the mark is the handler's, and rises with it."""
    ledger = Ledger()
    first, second, third = (_hand_out(ledger, start, start + 3) for start in (0, 3, 6))
    first.done(Progress(1, 10, 100))
    second.done(Progress(1, 10, 100))
    assert ledger.in_flight(SOURCE) == 1
    assert ledger.has_room(SOURCE)
    assert ledger.committable() == {SOURCE: Mark(1, 10, 100)}
    assert third.watermark() == 10
    third.done(Progress(9, 80, 300))
    assert ledger.committable() == {SOURCE: Mark(9, 80, 300)}


def test_a_mark_that_does_not_move_is_not_committed_again() -> None:
    """An open window over many batches costs no commits."""
    ledger = Ledger()
    ledger.start(SOURCE, Mark(4, 7, 50))
    _hand_out(ledger, 4, 6).done(Progress(4, 7, 50))
    assert ledger.committable() == {}
    _hand_out(ledger, 6, 8).done(Progress(8, 9, 60))
    assert ledger.committable() == {SOURCE: Mark(8, 9, 60)}


def test_log_time_is_the_running_maximum_from_the_commit_on() -> None:
    """Each batch knows the time before it, also where the one before is unfinished; an older append moves nothing."""
    ledger = Ledger()
    ledger.start(SOURCE, Mark(4, 7, 50))
    first, second, third = _timed(ledger, 4, 30, 40), _timed(ledger, 6, 70, 60), _timed(ledger, 8, 65)
    assert [batch.clock for batch in (first, second, third)] == [50, 50, 70]
    first.done(1)
    assert ledger.committable() == {SOURCE: Mark(6, 1, 50)}
    second.done(2)
    third.done(3)
    assert ledger.committable() == {SOURCE: Mark(9, 3, 70)}


def test_a_life_ends_with_the_next_seek_or_the_revocation() -> None:
    """What a stage holds of a partition is over then; other partitions live on."""
    ledger = Ledger()
    ledger.start(SOURCE, None)
    one, two = _hand_out(ledger, 0, 2), _hand_out(ledger, 2, 4)
    other, _ = ledger.hand_out("t", 1, [Rec(0)])
    assert one.life is two.life
    assert one.life is not other.life
    ledger.start(SOURCE, Mark(2, 1))
    anew = _hand_out(ledger, 2, 4)
    assert (one.life.over, anew.life.over, other.life.over) == (True, False, False)
    ledger.forget([SOURCE])
    assert anew.life.over


@given(st.permutations(range(8)), st.lists(st.integers(min_value=1, max_value=5), min_size=8, max_size=8))
def test_what_may_be_committed_is_exactly_the_finished_prefix(order: list[int], sizes: list[int]) -> None:
    """For any order of finishing and any sizes of batches."""
    ledger = Ledger()
    batches: list[Batch] = []
    for size in sizes:
        first = batches[-1].end if batches else 0
        batches.append(_hand_out(ledger, first, first + size))
    finished: set[int] = set()
    for number in order:
        batches[number].done(100 + number)
        finished.add(number)
        prefix = next((index for index in range(len(batches)) if index not in finished), len(batches))
        wanted = {SOURCE: Mark(batches[prefix - 1].end, 100 + prefix - 1)} if prefix else {}
        assert ledger.committable() == wanted


def _markers(ledger: Ledger, first: int, end: int) -> Batch:
    records = [Rec(offset, 999, headers=tuple(HEADERS)) for offset in range(first, end)]
    batch, _ = ledger.hand_out(*SOURCE, records, marked=True)
    assert list(batch.records) == []
    return batch


def test_markers_alone_are_committed() -> None:
    """Also as the first of a life; they raise neither the watermark nor the clock."""
    ledger = Ledger()
    first = _markers(ledger, 0, 2)
    first.done(first.watermark())
    assert ledger.committable() == {SOURCE: Mark(2, -1)}
    ledger.settle(ledger.committable())
    _hand_out(ledger, 2, 4).done(7)
    last = _markers(ledger, 4, 5)
    last.done(last.watermark())
    assert ledger.committable() == {SOURCE: Mark(5, 7)}


@pytest.mark.parametrize("committed", [False, True])
def test_markers_alone_do_not_pass_what_is_held_back(committed: bool) -> None:
    """The handler still holds the records from offset 1 on: a commit behind the marker would lose them."""
    ledger = Ledger()
    _hand_out(ledger, 0, 4).done(Progress(1, 10, 100))
    if committed:
        ledger.settle(ledger.committable())
    for start in (4, 6):
        batch = _markers(ledger, start, start + 2)
        batch.done(batch.watermark())
    assert ledger.committable() == ({} if committed else {SOURCE: Mark(1, 10, 100)})
    _hand_out(ledger, 8, 9).done(Progress(9, 20, 200))
    assert ledger.committable() == {SOURCE: Mark(9, 20, 200)}


@pytest.mark.parametrize(("held_from", "offset"), [(3, 5), (2, 2)])
def test_a_marker_behind_the_last_record_is_passed_with_it(held_from: int, offset: int) -> None:
    """Unless that record is held back."""
    ledger = Ledger()
    records = [Rec(0), Rec(1), Rec(2), Rec(3, headers=tuple(HEADERS)), Rec(4, headers=tuple(HEADERS))]
    batch, missing = ledger.hand_out(*SOURCE, records, marked=True)
    assert (missing, [record.offset for record in batch.records]) == (0, [0, 1, 2])
    batch.done(Progress(held_from, 7, 50))
    assert ledger.committable() == {SOURCE: Mark(offset, 7, 50)}
    assert ledger.position[SOURCE] == 5


def test_a_stopped_partition_is_left_unfinished_and_unread() -> None:
    """What was finished before is committed; what waits is not begun; nobody waits for it; neighbours go on."""
    told: list[bool] = []
    ledger = Ledger(told.append)
    first, second = _hand_out(ledger, 0, 3), _hand_out(ledger, 3, 6)
    assert first.begin()
    first.done(2)
    third = _hand_out(ledger, 6, 9)
    assert second.begin()
    second.stop("too bad")
    assert ledger.idle()
    assert told == [True, False]
    assert not third.begin()
    assert not ledger.has_room(SOURCE)
    assert ledger.has_room(("t", 1))
    assert ledger.committable() == {SOURCE: Mark(3, 2)}
    assert ledger.stopped == {SOURCE: "too bad"}


def test_a_stop_outlives_a_seek_and_ends_when_the_partition_goes() -> None:
    """Else each rebalance would let some more of a bad deploy through."""
    ledger = Ledger()
    _hand_out(ledger, 0, 3).stop("too bad")
    ledger.keep_stopped([SOURCE])
    ledger.start(SOURCE, Mark(0, -1))
    assert not ledger.has_room(SOURCE)
    ledger.keep_stopped([("t", 1)])
    assert ledger.has_room(SOURCE)


def test_a_batch_from_before_a_seek_stops_nothing() -> None:
    """It will be read again, and judged again."""
    ledger = Ledger()
    old = _hand_out(ledger, 0, 3)
    ledger.start(SOURCE, Mark(0, -1))
    old.stop("too bad")
    assert ledger.has_room(SOURCE)
