"""`seen` through crashes, zombies and replays: an id takes effect once in the window, and none is lost."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import pytest

from streams import state
from streams.index import Index
from streams.seen import NEW, SeenEntry, SeenState, SeenVerdict
from tests.models.lives import WINDOW, LogRecord, Run


def entry(offset: int, record: LogRecord, now: int) -> SeenEntry:
    """A record as the router sees it."""
    return SeenEntry((record.name + 1).to_bytes(12, "little"), offset, 0, now, record.first)


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


class Nameless(SeenState):
    """A mistake: a dead letter that comes again does not say where it lay first."""

    def judge_one(self, entry: SeenEntry, bucket: int, near: list[Index]) -> SeenVerdict:
        """It passes for a duplicate of itself."""
        return super().judge_one(entry._replace(first=-1), bucket, near)


class Forgiving(SeenState):
    """A mistake: a dead letter that comes again passes however often it comes."""

    def judge_one(self, entry: SeenEntry, bucket: int, near: list[Index]) -> SeenVerdict:
        """Whatever names a first record goes on."""
        return NEW if entry.first >= 0 else super().judge_one(entry, bucket, near)


class Wrong(Exception):
    """What a run did that it must not do."""


def check(run: Run, tolerance: int = 0) -> None:
    """Raise Wrong for an id that took effect twice within the window, never, or was refused for nothing."""
    taken = run.taken()
    times = defaultdict(list)
    for offset in taken:
        if offset == run.dead:
            continue
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


@pytest.mark.parametrize("few", [0, 24])
def test_a_dead_letter_that_comes_again_takes_effect_once(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through crashes and zombies, whether or not the state knew its first record, however often it comes."""
    monkeypatch.setattr(state, "_FEW", few)
    assert faults(range(400), letters=True) == set()


@pytest.mark.parametrize(("make", "found"), [(Nameless, {"lost"}), (Forgiving, {"twice"})])
def test_a_wrong_replay_is_found(make: type[SeenState], found: set[str]) -> None:
    """Without its reference it takes no effect; if it always passes, it takes effect again."""
    assert faults(range(60), make, letters=True) == found


def test_at_the_bound_ids_are_forgotten_and_none_is_lost() -> None:
    """Repeats may take effect again, or name another repeat; but no id fails to take effect."""

    class Small(SeenState):
        def __init__(self, partition: int, window_ms: int) -> None:
            super().__init__(partition, window_ms, 3)

    assert faults(range(150), Small) == {"twice", "void"}
