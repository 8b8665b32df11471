"""Random runs of merge windows behind a replay watermark: lives end anywhere, zombies go on, broker time goes back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

import pytest

from agents.merge import merge
from streams.envelope import Envelope
from streams.logtime import UNKNOWN, Progress, Windows
from streams.policies import FROM_EVER, Policy

LENGTH = 10
MOST = 4
START = Progress(0, -1, UNKNOWN)
POLICIES = {"t": Policy("u", ((FROM_EVER, 0),), 1, 1, False, 1, 0, "latest")}


class Wrong(AssertionError):
    """What a run found, in one word."""


class Entry(NamedTuple):
    """A record of the log: its append time, and its collapse key; None for a tick, which holds nothing."""

    time: int
    key: str | None


class Emitted(NamedTuple):
    """A notification: its position, and the offsets of the events that it stands for."""

    seq: int
    members: tuple[int, ...]


class Mark(NamedTuple):
    """A commit that may be made, once so many of the session's notifications are on the broker."""

    progress: Progress
    emitted: int


Make = Callable[[Progress, random.Random], Windows[Envelope]]


def correct(start: Progress, chance: random.Random) -> Windows[Envelope]:
    """The windows of the product."""
    return Windows(LENGTH, start, most=MOST)


def envelope(offset: int, key: str) -> Envelope:
    """An event at an offset."""
    return Envelope(1, b"", 0, offset, 0, "a", "s", str(offset), "t", offset, 0, 0, 0, "", b"", collapse_key=key)


def session(log: list[Entry], start: Progress, windows: Windows[Envelope]) -> tuple[list[Emitted], list[Mark]]:
    """What a worker emits from a commit to the end of the log, and the commits that it may make on the way."""
    emitted: list[Emitted] = []
    marks = [Mark(start, 0)]
    for offset in range(start.offset, len(log)):
        time, key = log[offset]
        left = [windows.pass_time(offset, time)]
        if key is not None and windows.take(offset):
            left.append(windows.hold(envelope(offset, key), 1))
        for group in left:
            survivors = merge(group, POLICIES).survivors
            emitted += [Emitted(e.seq, tuple(map(int, e.events or (e.id,)))) for e in survivors]
        marks.append(Mark(windows.progress(), len(emitted)))
    return emitted, marks


def make_log(chance: random.Random) -> list[Entry]:
    """Times that go back now and then, keys that repeat, ticks between; the last tick ends every window."""
    time, log = 100, []
    for _ in range(chance.randint(4, 16)):
        time += chance.choice((0, 1, 2, 4, 8, 15))
        if chance.random() < 0.15:
            time -= chance.randint(1, 12)
        log.append(Entry(time, chance.choice(("k", "l", ""))))
        if chance.random() < 0.2:
            time += LENGTH
            log += [Entry(time, None)] * chance.choice((1, 1, 2))
    return [*log, Entry(max(entry.time for entry in log) + LENGTH, None)]


class Run:
    """One life of the lane after the other; what they leave on the output, zombies included."""

    def __init__(self, seed: int, make: Make, *, forgets_clock: bool = False) -> None:
        self.chance = random.Random(seed)
        self.log = make_log(self.chance)
        self.output: list[Emitted] = []
        self._make = make
        self._forgets_clock = forgets_clock
        self._zombies: list[list[Emitted]] = []
        start = START
        for _ in range(self.chance.randint(0, 4)):
            start = self._life(start, dies=True)
        self._life(start, dies=False)

    def _life(self, start: Progress, *, dies: bool) -> Progress:
        """A life from a commit on; the commit that it leaves."""
        known = start._replace(clock=UNKNOWN) if self._forgets_clock else start
        emitted, marks = session(self.log, start, self._make(known, self.chance))
        if any(one.seq >= other.seq for one, other in pairwise(emitted)):
            raise Wrong("back")
        cut = self.chance.randint(0, len(emitted)) if dies else len(emitted)
        self._append(emitted[:cut])
        self._zombies.append(emitted[cut:])
        return self.chance.choice([mark.progress for mark in marks if mark.emitted <= cut])

    def _append(self, emitted: Iterable[Emitted]) -> None:
        """In order, and in between what zombies have still under way."""
        for one in emitted:
            while self._zombies and self.chance.random() < 0.4:
                zombie = self.chance.choice(self._zombies)
                if zombie:
                    self.output.append(zombie.pop(0))
                else:
                    self._zombies.remove(zombie)
            self.output.append(one)


def check(run: Run) -> None:
    """By the rule of the watermark each event is taken once."""
    highest, taken = -1, Counter[int]()
    for seq, members in run.output:
        if seq > highest:
            highest = seq
            taken.update(members)
    events = {offset for offset, entry in enumerate(run.log) if entry.key is not None}
    if events - taken.keys():
        raise Wrong("lost")
    if any(times > 1 for times in taken.values()):
        raise Wrong("double")


def faults(seeds: Iterable[int], make: Make = correct, *, forgets_clock: bool = False) -> set[str]:
    """What goes wrong in these runs."""
    found = set()
    for seed in seeds:
        try:
            check(Run(seed, make, forgets_clock=forgets_clock))
        except Wrong as wrong:
            found.add(str(wrong))
    return found


class ByWallClock(Windows[Envelope]):
    """Mutant: a window may end at any moment."""

    chance: random.Random

    def hold(self, item: Envelope, size: int) -> list[Envelope]:
        """As if a timer of the process had run out."""
        left = super().hold(item, size)
        return left or (self._leave() if self.chance.random() < 0.15 else [])


class LateLeavesAtOnce(Windows[Envelope]):
    """Mutant: a record of a window that is over does not wait."""

    late = False

    def pass_time(self, offset: int, timestamp: int) -> list[Envelope]:
        """Look whether it is late."""
        left = super().pass_time(offset, timestamp)
        self.late = timestamp // LENGTH < self.clock // LENGTH
        return left

    def hold(self, item: Envelope, size: int) -> list[Envelope]:
        """Let it go."""
        return [item] if self.late else super().hold(item, size)


class CommitsInMidWindow(Windows[Envelope]):
    """Mutant: what is held counts as finished."""

    def progress(self) -> Progress:
        """As if nothing were held."""
        return Progress(self._next, self.taken, self.clock)


class WatermarkOfTheMoment(Windows[Envelope]):
    """Mutant: the commit stands right, its watermark is that of the last record met."""

    def progress(self) -> Progress:
        """The offset of the first that is held, with what was taken since."""
        return super().progress()._replace(taken=self.taken)


def wrong(kind: type[Windows[Envelope]]) -> Make:
    """Windows of a mutant."""

    def make(start: Progress, chance: random.Random) -> Windows[Envelope]:
        made = kind(LENGTH, start, most=MOST)
        if isinstance(made, ByWallClock):
            made.chance = chance
        return made

    return make


def test_each_event_is_in_one_notification() -> None:
    """Whatever dies when, and whatever a zombie still writes: none is lost, none is double, positions rise."""
    assert faults(range(3000)) == set()


@pytest.mark.parametrize(
    ("mutant", "found"),
    [
        (ByWallClock, {"double"}),
        (LateLeavesAtOnce, {"back"}),
        (CommitsInMidWindow, {"lost"}),
        (WatermarkOfTheMoment, {"lost"}),
    ],
)
def test_wrong_windows_are_found(mutant: type[Windows[Envelope]], found: set[str]) -> None:
    """The runs are able to fail: by wall clock, late records that do not wait, commits in the middle of a window."""
    assert faults(range(1000), wrong(mutant)) >= found


def test_a_clock_that_is_not_committed_is_found() -> None:
    """A restart that begins with the time of its first record joins late records to other windows."""
    assert faults(range(3000), forgets_clock=True) == {"lost", "double"}
