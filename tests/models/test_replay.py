"""Random runs of three stages behind the books of the transport: crashes, zombies, writes that land late or never."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Literal, NamedTuple

import pytest

from streams.transport.ledger import Ledger
from streams.transport.mark import Mark

SOURCE = ("topic", 0)
Mutant = Literal["", "high", "never", "early", "unordered", "ignored"]


class Rec(NamedTuple):
    """A record that carries its position."""

    offset: int
    seq: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Session:
    """One life of a worker: it reads from a commit on, and what it writes is under way for a while."""

    def __init__(self, source: list[int], target: list[int], mark: Mark | None, mutant: Mutant) -> None:
        self.ledger = Ledger()
        self.ledger.start(SOURCE, mark)
        self.flight: list[int] = []
        self.forwarded: list[int] = []
        self._source = source
        self._target = target
        self._mutant = mutant

    def read(self, number: int) -> bool:
        """Handle a batch of up to so many records; False where there is none."""
        first = self.ledger.position.get(SOURCE, 0)
        seqs = self._source[first : first + number]
        if not seqs:
            return False
        batch, _ = self.ledger.hand_out(*SOURCE, [Rec(first + place, seq) for place, seq in enumerate(seqs)])
        assert batch.begin()
        taken = batch.watermark()
        for seq in seqs:
            if seq > taken or self._mutant == "ignored":
                self.flight.append(seq)
                self.forwarded.append(seq)
                taken = max(taken, seq)
        batch.done(taken)
        return True

    def append(self, place: int = 0) -> None:
        """One write reaches the broker."""
        if self.flight:
            self._target.append(self.flight.pop(place))

    def flush(self) -> None:
        """All do."""
        while self.flight:
            self.append()


class Stage:
    """A worker that is replaced now and then; the one before it may live on, with its commits fenced."""

    def __init__(self, source: list[int], target: list[int], chance: random.Random, mutant: Mutant) -> None:
        self.mark: Mark | None = None
        self.repeated = False  # a session forwarded again what a commit says was taken
        self._parts = source, target
        self._chance = chance
        self._mutant = mutant
        self._highest = -1
        self._zombies: list[Session] = []
        self.live = self._session()

    def _session(self) -> Session:
        mark = self.mark
        if mark is not None and self._mutant == "high":
            mark = mark._replace(taken=self._highest)
        if mark is not None and self._mutant == "never":
            mark = mark._replace(taken=-1)
        return Session(*self._parts, mark, self._mutant)

    def step(self) -> None:
        """Something happens."""
        draw = self._chance.random()
        if draw < 0.35:
            self._read(self.live)
        elif draw < 0.7:
            self._append(self.live)
        elif draw < 0.8:
            self._commit()
        elif draw < 0.84:
            if self._chance.random() < 0.5:
                self._zombies.append(self.live)
            self.live = self._session()
        elif self._zombies:
            self._haunt(self._chance.choice(self._zombies))

    def _haunt(self, zombie: Session) -> None:
        draw = self._chance.random()
        if draw < 0.3:
            self._zombies.remove(zombie)
        elif draw < 0.65:
            zombie.read(self._chance.randint(1, 3))
        else:
            self._append(zombie)

    def _read(self, session: Session) -> None:
        before = len(session.forwarded)
        session.read(self._chance.randint(1, 3))
        self._highest = max(self._highest, session.ledger.watermark(SOURCE))
        taken = -1 if self.mark is None else self.mark.taken
        self.repeated |= any(seq <= taken for seq in session.forwarded[before:])

    def _append(self, session: Session) -> None:
        place = self._chance.randrange(len(session.flight) or 1) if self._mutant == "unordered" else 0
        session.append(place)

    def _commit(self) -> None:
        marks = self.live.ledger.committable()
        if self._mutant != "early":
            self.live.flush()
        self.live.ledger.settle(marks)
        self.mark = marks.get(SOURCE, self.mark)

    def drain(self) -> None:
        """Without faults, to the end."""
        self._zombies.clear()
        while self.live.read(2):
            pass
        self.live.flush()


def run(seed: int, mutant: Mutant = "") -> set[str]:
    """What went wrong: an offset that is not taken once and in order, or an effect repeated after its commit."""
    chance = random.Random(seed)
    ingest = list(range(chance.randint(5, 30)))
    middle, output, effects = list[int](), list[int](), list[int]()
    stages = [
        Stage(source, target, chance, mutant)
        for source, target in ((ingest, middle), (middle, output), (output, effects))
    ]
    for _ in range(chance.randint(20, 400)):
        chance.choice(stages).step()
    for stage in stages:
        stage.drain()
    highest, taken = -1, []
    for seq in effects:
        if seq > highest:
            highest = seq
            taken.append(seq)
    wrong = {"order"} if taken != ingest else set()
    return wrong | ({"repeated"} if any(stage.repeated for stage in stages) else set())


def faults(seeds: Iterable[int], mutant: Mutant = "") -> set[str]:
    """What goes wrong in these runs."""
    return {fault for seed in seeds for fault in run(seed, mutant)}


def test_every_stage_takes_each_offset_once_and_in_order() -> None:
    """Whatever is replaced when, and whatever a zombie still writes."""
    assert faults(range(1500)) == set()


@pytest.mark.parametrize(
    ("mutant", "found"),
    [
        ("high", {"order"}),
        ("never", {"repeated"}),
        ("early", {"order"}),
        ("unordered", {"order"}),
        ("ignored", {"repeated"}),
    ],
)
def test_wrong_books_are_found(mutant: Mutant, found: set[str]) -> None:
    """A watermark restored too high, not at all or not used; a commit before its outputs; outputs out of order."""
    assert faults(range(600), mutant) >= found
