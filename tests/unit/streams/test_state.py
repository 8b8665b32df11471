"""The state of a partition against plain models: verdicts, windows, rows, recovery, forgetting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams import state
from streams.envelope import position
from streams.latest import LatestEntry, LatestState, LatestVerdict
from streams.rows import BadRow, decode_key
from streams.seen import NEW, REPLAY, SeenEntry, SeenState, SeenVerdict
from streams.state import BUCKETS, State

WINDOW = 400
S = TypeVar("S", bound=State[Any, Any])
BUCKET = WINDOW // BUCKETS


def name(number: int) -> bytes:
    """A fingerprint."""
    return (number + 1).to_bytes(12, "big")


def seen() -> SeenState:
    """An empty state."""
    return SeenState(7, WINDOW)


def recovered(empty: S, rows: Iterable[tuple[bytes, bytes | None]]) -> S:
    """A state read from rows."""
    for key, value in rows:
        empty.read(key, value)
    empty.settle()
    return empty


def in_batches(judging: State[Any, Any], entries: Sequence[Any], cuts: Sequence[int]) -> tuple[list[Any], list[Any]]:
    """Verdicts and rows of entries judged in batches of these sizes, and the rest at once."""
    verdicts, rows, at = [], [], 0
    for size in (*cuts, len(entries)):
        got, written = judging.judge(entries[at : at + size])
        verdicts += got
        rows += written
        at += size
    return verdicts, rows


entries_of_seen = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 3), st.integers(0, BUCKET)), min_size=1, max_size=60
).map(
    lambda steps: [
        SeenEntry(name(number), 2**40 + i, digest, 10_000 + sum(step for *_, step in steps[: i + 1]))
        for i, (number, digest, _) in enumerate(steps)
    ]
)  # fmt: skip


def plainly(entries: list[SeenEntry]) -> list[SeenVerdict]:
    """The rule, written down: the first within the window counts, and the window does not move with repeats."""
    taken: list[SeenEntry] = []
    verdicts = []
    for entry in entries:
        known = [
            e for e in taken
            if e.fingerprint == entry.fingerprint and entry.now // BUCKET - e.now // BUCKET <= BUCKETS
        ]  # fmt: skip
        if known:
            digest = known[0].digest
            verdicts.append(SeenVerdict(known[0].offset, digest != entry.digest, digest=digest))
        else:
            taken.append(entry)
            verdicts.append(NEW)
    return verdicts


@given(entries_of_seen, st.lists(st.integers(1, 40), max_size=5), st.sampled_from([0, 3, 24]))
def test_seen_follows_the_rule_however_batches_are_cut(entries: list[SeenEntry], cuts: list[int], few: int) -> None:
    """One by one or vectorised, in one batch or many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "_FEW", few)
        assert in_batches(seen(), entries, cuts)[0] == plainly(entries)


@given(entries_of_seen, *[st.lists(st.integers(1, 40), max_size=5)] * 2, st.sampled_from([0, 3, 24]))
def test_a_replay_over_recovered_rows_repeats_every_verdict(
    entries: list[SeenEntry], cuts: list[int], others: list[int], few: int
) -> None:
    """What was new is a replay, what was a duplicate is one of the same record; rows read twice change nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "_FEW", few)
        first, rows = in_batches(seen(), entries, cuts)
        again = recovered(seen(), [*rows, *rows])
        assert len(again) == first.count(NEW)
        second, written = in_batches(again, entries, others)
        assert second == [REPLAY if verdict == NEW else verdict for verdict in first]
        if cuts == others:
            assert written == rows


def test_an_entry_is_known_for_the_window_and_at_most_a_bucket_more() -> None:
    """Counted in broker time, from the first record."""
    for at in (10_000, 10_000 + BUCKET - 1):
        judging = seen()
        judging.judge([SeenEntry(name(1), 5, 0, at)])
        assert judging.judge([SeenEntry(name(1), 6, 0, at + WINDOW)])[0] == [SeenVerdict(5)]
        assert judging.judge([SeenEntry(name(1), 7, 0, at + WINDOW + BUCKET)])[0] == [NEW]


def test_an_entry_behind_the_record_in_hand_is_repeated_within_the_window_alone() -> None:
    """A life before this one let the later record go on, so it will again; far behind, both do."""
    _, rows = seen().judge([SeenEntry(name(1), 50, 0, 10_000)])
    assert recovered(seen(), rows).judge([SeenEntry(name(1), 6, 0, 10_000 - WINDOW)])[0] == [SeenVerdict(50)]
    assert recovered(seen(), rows).judge([SeenEntry(name(1), 6, 0, 9_999 - WINDOW)])[0] == [NEW]


def plainly_latest(entries: list[LatestEntry]) -> list[LatestVerdict]:
    """The rule, written down."""
    newest: dict[bytes, tuple[int, int]] = {}
    verdicts = []
    for entry in entries:
        known = max(newest.get(entry.fingerprint, (entry.version, entry.position)), (entry.version, entry.position))
        newest[entry.fingerprint] = known
        verdicts.append(LatestVerdict(*known, known[0] > entry.version))
    return verdicts


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), min_size=1, max_size=60),
    st.lists(st.integers(1, 40), max_size=5),
    st.sampled_from([0, 3, 24]),
)
@example([(1, 0), (1, 2), (1, 1)], [], 0)
@example([(1, 0), (1, 2), (1, 1)], [], 24)
@example([(1, 0), (2, 0), (3, 0), (1, 2), (1, 1), (2, -1)], [], 3)
def test_latest_follows_the_rule_however_batches_are_cut(
    steps: list[tuple[int, int]], cuts: list[int], few: int
) -> None:
    """Older is superseded, ties keep both, the newest wins; also over recovered rows, where nothing rises again."""
    entries = [LatestEntry(name(number), version, 2**50 + i, 10_000 + i) for i, (number, version) in enumerate(steps)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "_FEW", few)
        verdicts, rows = in_batches(LatestState(7, WINDOW), entries, cuts)
        assert verdicts == plainly_latest(entries)
        again, _ = in_batches(recovered(LatestState(7, WINDOW), [*rows, *rows]), entries, [])
        best = {e.fingerprint: (v.newest, v.position) for e, v in zip(entries, verdicts, strict=True)}
        assert [(v.newest, v.position) for v in again] == [best[e.fingerprint] for e in entries]


def test_a_newer_version_renews_its_line() -> None:
    """The window counts from the newest version, not from the first."""
    judging = LatestState(7, WINDOW)
    judging.judge([LatestEntry(name(1), 5, 1, 10_000)])
    judging.judge([LatestEntry(name(1), 6, 2, 10_000 + WINDOW)])
    late = LatestEntry(name(1), 4, 3, 10_000 + 2 * WINDOW)
    assert judging.judge([late])[0] == [LatestVerdict(6, 2, True)]
    assert judging.judge([late._replace(now=10_000 + 3 * WINDOW)])[0] == [LatestVerdict(4, 3, False)]


def fill(judging: SeenState, buckets: range) -> dict[bytes, bytes]:
    """One record in each of these buckets, its offset the bucket's number."""
    rows: dict[bytes, bytes] = {}
    for bucket in buckets:
        rows |= dict(judging.judge([SeenEntry(name(bucket), bucket, 0, bucket * BUCKET)])[1])
    return rows


def test_nothing_is_forgotten_before_the_commit_has_passed() -> None:
    """Buckets and rows go with the commit, each row once, and only those out of reach of what comes after it."""
    judging = seen()
    rows = list(fill(judging, range(100, 120)))
    assert len(judging) == 20
    judging.release(99)
    assert (len(judging), judging.dead_rows(100)) == (20, [])
    judging.release(110)
    assert len(judging) == 20 - (110 - BUCKETS - 100)
    assert judging.dead_rows(4) == rows[:4]
    assert judging.dead_rows(100) == rows[4 : 110 - BUCKETS - 100]
    assert judging.dead_rows(100) == []
    judging.release(10_000)
    assert len(judging) == BUCKETS + 1
    assert judging.judge([SeenEntry(name(119), 119, 0, 119 * BUCKET)])[0] == [REPLAY]


def test_over_its_bound_a_state_forgets_the_oldest_early() -> None:
    """Counted; what the oldest bucket knew is new again, in the rows that are read too."""
    judging = SeenState(7, WINDOW, 3)
    rows = fill(judging, range(100, 105))
    assert (len(judging), judging.early_drops) == (3, 2)
    assert judging.dead_rows(100) == list(rows)[:2]
    assert len(recovered(SeenState(7, WINDOW, 3), rows.items())) == 3


def test_a_deleted_row_buries_its_bucket_and_all_before_it() -> None:
    """Recovery holds no more than what is needed; rows that are not yet deleted are deleted by this life."""
    judging = seen()
    rows = fill(judging, range(100, 120))
    deleted = list(rows)[3]
    again = recovered(seen(), [*rows.items(), (deleted, None)])
    assert len(again) == 16
    assert again.dead_rows(100) == list(rows)[:3]
    late = recovered(seen(), [(deleted, None), *rows.items()])
    assert len(late) == 16
    assert late.dead_rows(100) == list(rows)[:4]


def test_commits_count_in_positions() -> None:
    """Of an epoch: entries of `latest` hold them whole, those of `seen` the offset alone."""
    one, other = seen(), LatestState(7, WINDOW)
    fill(one, range(100, 120))
    for number in range(100, 120):
        other.judge([LatestEntry(name(number), 0, position(3, number), number * BUCKET)])
    for judging in (one, other):
        judging.release(-1)
        judging.release(position(3, 99))
        assert len(judging) == 20
        judging.release(position(3, 110))
        assert len(judging) == 20 - (110 - BUCKETS - 100)


def test_a_clock_that_steps_back_into_what_is_forgotten_is_held() -> None:
    """Such a record is remembered with the oldest that are."""
    judging = seen()
    fill(judging, range(100, 120))
    judging.release(119)
    verdicts, rows = judging.judge([SeenEntry(name(1), 120, 0, 0)])
    assert verdicts == [NEW]
    assert decode_key(rows[0].key).start == (119 - BUCKETS) * BUCKET


def test_another_window_after_a_restart_forgets_no_row_early() -> None:
    """Rows keep the newest time of their entries, so that they fall into the right bucket of any length."""
    rows = fill(seen(), range(100, 102))
    wide = recovered(SeenState(7, 10 * WINDOW), rows.items())
    assert wide.judge([SeenEntry(name(100), 500, 0, 100 * BUCKET + 10 * WINDOW)])[0] == [SeenVerdict(100)]
    narrow = recovered(SeenState(7, BUCKET), rows.items())
    assert narrow.judge([SeenEntry(name(101), 500, 0, 101 * BUCKET + BUCKET)])[0] == [SeenVerdict(101)]
    narrow.judge([SeenEntry(name(9), 501, 0, 200 * BUCKET)])
    narrow.release(501)
    assert narrow.dead_rows(9) == list(rows)


def test_a_row_takes_no_more_than_a_message_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of any size makes as many rows as it needs."""
    monkeypatch.setattr(state, "ROW_ENTRIES", 10)
    entries = [SeenEntry(name(i), i, 0, 10_000) for i in range(25)]
    verdicts, rows = seen().judge(entries)
    assert verdicts == [NEW] * 25
    assert [decode_key(row.key)[2:] for row in rows] == [(0, 9), (10, 19), (20, 24)]
    assert recovered(seen(), rows).judge(entries)[0] == [REPLAY] * 25


@pytest.mark.parametrize("rows", [[(b"x", b"y")], [(b"7/0/0/0", b"y")], [(None, None)]])
def test_what_is_no_row_is_refused(rows: list[tuple[bytes, bytes | None]]) -> None:
    """Neither a key nor a value of something else."""
    with pytest.raises(BadRow):
        recovered(seen(), rows)


def test_bytes_are_counted() -> None:
    """Indexes and row keys."""
    judging = seen()
    assert judging.nbytes == 0
    fill(judging, range(100, 102))
    assert judging.nbytes > 2 * (22 + 16)


def test_rows_read_again_after_a_rebalance_change_nothing() -> None:
    """A partition that stays is read again from the last recovery on; its rows are deleted once all the same."""
    judging = seen()
    rows = fill(judging, range(100, 110))
    recovered(judging, rows.items())
    assert len(judging) == 10
    assert judging.judge([SeenEntry(name(109), 109, 0, 109 * BUCKET)])[0] == [REPLAY]
    judging.release(109)
    assert judging.dead_rows(100) == list(rows)[: 10 - BUCKETS - 1]


def test_of_two_entries_for_an_id_the_first_stays() -> None:
    """Two lives with different knowledge may both have let an id go on; whichever row comes first."""
    _, early = seen().judge([SeenEntry(name(1), 5, 0, 10_000)])
    _, late = seen().judge([SeenEntry(name(1), 6, 0, 10_001)])
    for rows in ([*early, *late], [*late, *early]):
        judging = seen()
        for row in rows:
            recovered(judging, [row])
        for known in (judging, recovered(seen(), rows)):
            assert known.judge([SeenEntry(name(1), 7, 0, 10_002)])[0] == [SeenVerdict(5)]
