"""Log time and its windows: what is held, when it leaves, and where a restart begins."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.logtime import UNKNOWN, Progress, Windows, latest

START = Progress(0, -1, UNKNOWN)
#: (append time, size) of a record; 0 bytes: there is nothing in it to hold.
Log = Sequence[tuple[int, int]]


def windows(start: Progress = START, most: int = 4, size: int = 100) -> Windows[int]:
    """Windows of 10 ms that hold little."""
    return Windows(10, start, most=most, size=size)


def run(log: Log, start: Progress = START) -> list[tuple[int, list[int], Progress]]:
    """(record met, positions that left by it, progress after it), where something left or a restart could begin."""
    of = windows(start)
    met = []
    for offset in range(start.offset, len(log)):
        time, size = log[offset]
        left = [of.pass_time(offset, time)]
        if size and of.take(offset):
            left.append(of.hold(offset, size))
        met += [(offset, positions, of.progress()) for positions in left if positions or positions is left[-1]]
    return met


def emitted(log: Log, start: Progress = START) -> list[list[int]]:
    """What left together."""
    return [left for _, left, _ in run(log, start) if left]


def test_a_window_ends_with_the_first_record_behind_it() -> None:
    """Whatever that record holds: a tick, which holds nothing, ends it too."""
    assert emitted([(100, 1), (109, 1), (110, 1)]) == [[0, 1]]
    assert emitted([(100, 1), (105, 1), (110, 0)]) == [[0, 1]]
    assert emitted([(100, 1), (109, 0)]) == []


def test_a_late_record_joins_the_open_window() -> None:
    """The clock does not go back with it; with nothing open it begins where the clock stands."""
    assert emitted([(105, 1), (112, 1), (103, 1), (120, 0)]) == [[0], [1, 2]]
    assert emitted([(105, 1), (112, 0), (103, 1), (119, 1), (120, 0)]) == [[0], [2, 3]]


def test_a_clock_that_was_ahead_holds_the_window_until_it_is_caught_up_with() -> None:
    """Log time does not go back: what comes meanwhile waits for the end of the window that the fast clock opened."""
    log = [(0, 1), (1000, 1), (5, 1), (15, 1), (1009, 1), (1010, 1)]
    assert emitted(log) == [[0], [1, 2, 3, 4]]


def test_a_full_window_leaves_early() -> None:
    """By number and by size; what comes after it in the same window waits for its end."""
    assert emitted([(100, 1)] * 5 + [(110, 0)]) == [[0, 1, 2, 3], [4]]
    assert emitted([(100, 60), (100, 60), (100, 1), (110, 0)]) == [[0, 1], [2]]


def test_the_restart_stands_before_the_first_that_is_held() -> None:
    """With the watermark and the clock of the records below it; with nothing held, behind the last record."""
    of = windows(Progress(7, 50, 95))
    assert of.progress() == Progress(7, 50, 95)
    assert of.pass_time(7, 99) == []
    assert of.progress() == Progress(8, 50, 99)
    of.pass_time(8, 101)
    assert of.take(60)
    assert of.hold(60, 1) == []
    of.pass_time(9, 108)
    assert of.progress() == Progress(8, 50, 99)
    assert (len(of), of.remaining()) == (1, 2)
    assert of.pass_time(10, 131) == [60]
    assert of.progress() == Progress(11, 60, 131)
    assert of.remaining() is None


def test_copies_are_told_from_news() -> None:
    """By the highest position so far."""
    of = windows(Progress(0, 5, 0))
    assert [of.take(position) for position in (5, 7, 6, 7, 8)] == [False, True, False, False, True]


def test_without_a_length_no_time_ends_a_window() -> None:
    """Nor does the clock stand still."""
    of: Windows[int] = Windows(0, START)
    of.pass_time(0, 10**15)
    of.hold(1, 1)
    assert of.pass_time(1, 2 * 10**15) == []
    assert of.clock == 2 * 10**15


def test_the_latest_append_counts() -> None:
    """Of none, the clock as it was."""
    assert latest(5, []) == 5
    assert latest(5, [3, 9, 4]) == 9


@given(st.lists(st.tuples(st.integers(min_value=0, max_value=60), st.sampled_from([0, 1, 40])), max_size=30))
def test_a_restart_from_any_commit_makes_the_same_windows(log: list[tuple[int, int]]) -> None:
    """Whatever the times: what a restart lets leave is what had still to leave, together as before."""
    whole = run(log)
    for number, (_, _, progress) in enumerate(whole):
        rest = [left for _, left, _ in whole[number + 1 :] if left]
        assert emitted(log, progress) == rest
