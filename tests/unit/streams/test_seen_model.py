"""`seen` through crashes, zombies and replays: an id takes effect once in the window, and none is lost."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import pytest

from streams import state
from streams.index import Index
from streams.seen import NEW, SeenEntry, SeenState, SeenVerdict
from tests.unit.streams.lives import WINDOW, LogRecord, Run


def entry(offset: int, record: LogRecord, now: int) -> SeenEntry:
    """A record as the router sees it."""
    return SeenEntry((record.name + 1).to_bytes(12, "little"), offset, 0, now)


class Flag(SeenState):
    """A mistake: an entry says that an id was seen, and not by which record."""

    def judge_one(self, entry: SeenEntry, bucket: int, near: list[Index]) -> SeenVerdict:
        """A replay passes for a duplicate."""
        verdict = super().judge_one(entry, bucket, near)
        return verdict if verdict is NEW else SeenVerdict(entry.offset)


class Forgetful(SeenState):
    """A mistake: only the newest bucket is looked at."""

    def judge_one(self, entry: SeenEntry, bucket: int, near: list[Index]) -> SeenVerdict:
        """What an older bucket knows counts for nothing."""
        return super().judge_one(entry, bucket, [self.index(bucket)])


class Wrong(Exception):
    """What a run did that it must not do."""


def check(run: Run, tolerance: int = 0) -> None:
    """Raise Wrong for an id that took effect twice within the window, never, or was refused for nothing."""
    taken = run.taken()
    times = defaultdict(list)
    for offset in taken:
        times[run.log[offset].name].append(run.log[offset].time)
    for seen in times.values():
        if any(later - earlier < WINDOW - tolerance for earlier, later in pairwise(seen)):
            raise Wrong("twice")
    if {record.name for record in run.log} != set(times):
        raise Wrong("lost")
    for offset, verdict in run.refused:
        if verdict.first not in taken:
            raise Wrong(f"void: {offset} repeats {verdict.first}, which was never taken")


def faults(seeds: Iterable[int], make: type[SeenState] = SeenState, tolerance: int = 0, **mistakes: bool) -> set[str]:
    """What goes wrong in these runs."""
    found = set()
    for seed in seeds:
        try:
            check(Run(seed, lambda: make(3, WINDOW), entry, **mistakes), tolerance)
        except Wrong as wrong:
            found.add(str(wrong).partition(":")[0])
    return found


@pytest.mark.parametrize(("few", "runs"), [(0, 25), (24, 80)])
def test_an_id_takes_effect_once_and_none_is_lost(few: int, runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With entries judged one by one, and with entries judged all at once."""
    monkeypatch.setattr(state, "_FEW", few)
    assert faults(range(runs)) == set()


@pytest.mark.parametrize(
    ("make", "seeds", "found"),
    [(Flag, range(20), {"lost", "void"}), (Forgetful, range(20), {"twice"})],
)
def test_a_wrong_state_is_found(make: type[SeenState], seeds: range, found: set[str]) -> None:
    """The checks are able to fail: entries without their offset lose events, forgotten ones repeat them."""
    assert faults(seeds, make) == found


@pytest.mark.parametrize(
    ("mistake", "seeds", "found"),
    [
        ("first_only", range(120, 130), {"twice"}),
        ("skewed", range(30), {"twice", "void"}),
        ("eager", range(10, 20), {"void"}),
        ("eager", range(270, 280), {"twice"}),
    ],
)
def test_a_wrong_use_of_the_state_is_found(mistake: str, seeds: range, found: set[str]) -> None:
    """Row keys by first offset alone, entries that age by a worker's clock, and rows dropped before the commit fail."""
    mistakes = {name: name == mistake for name in ("first_only", "skewed", "eager")}
    assert faults(seeds, SeenState, 0, **mistakes) == found
