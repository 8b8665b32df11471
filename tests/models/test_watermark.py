"""The replay watermark through crashes, zombies and rewinds: random runs of three stages on the product's own books."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import NamedTuple

from streams.transport import mark
from streams.transport.batch import Batch
from streams.transport.ledger import Ledger

SOURCE = ("in", 0)
RUNS = 400


class Item(NamedTuple):
    """A record of a log of the model; `seq` is the offset of its event in the first log."""

    offset: int
    seq: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Log(list[Item]):
    """A partition."""

    def put(self, seq: int) -> None:
        """Append."""
        self.append(Item(len(self), seq))


class Life:
    """A process that owns the partition of a stage, or believes so: it puts what is above the watermark."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.ledger = Ledger()
        self.flight: list[int] = []  # put and not appended: always the end of what was put
        self.seek()

    def seek(self) -> None:
        """Back to what is committed, as at the start and after each rebalance."""
        at = self.stage.committed
        found = None if at is None else mark.decode_metadata(*at)
        self.ledger.start(SOURCE, found)
        self.next = 0 if found is None else found.offset
        self.below = max((item.seq for item in self.stage.source[: self.next]), default=-1)

    def read(self) -> None:
        """Handle the next few records."""
        some = self.stage.source[self.next : self.next + self.stage.random.randint(1, 4)]
        if not some:
            return
        batch, _ = self.ledger.hand_out(*SOURCE, some)
        assert batch.begin()
        self.next = batch.end
        batch.done(self._take(batch, some))

    def _take(self, batch: Batch, some: list[Item]) -> int:
        taken = batch.watermark()
        for item in some:
            if item.seq > taken:
                taken = item.seq
                self.stage.retaken += item.seq <= self.below
                self.flight.append(item.seq)
        return taken

    def append(self) -> None:
        """The broker takes the oldest record that is on the way."""
        if self.flight:
            self.stage.target.put(self.flight.pop(0))

    def commit(self) -> None:
        """Everything put is on the broker: commit. Of a life that was replaced the broker takes no commit."""
        if self.flight or self is not self.stage.live:
            return
        for at in self.ledger.committable().values():
            self.stage.committed = at.offset, mark.encode_metadata(at)
        self.ledger.settle(self.ledger.committable())


class Stage:
    """A stage through its lives."""

    def __init__(self, source: Log, target: Log, chance: random.Random) -> None:
        self.source, self.target, self.random = source, target, chance
        self.committed: tuple[int, str] | None = None
        self.retaken = 0  # events taken that lie below the commit too, where they were taken
        self.live = Life(self)
        self.zombies: list[Life] = []

    def step(self) -> None:
        """Something happens."""
        chance = self.random.random()
        if chance < 0.35:
            self.live.read()
        elif chance < 0.65:
            self.live.append()
        elif chance < 0.78:
            self.live.commit()
        elif chance < 0.81 and not self.live.flight:
            self.live.seek()
        elif chance < 0.86:
            if self.random.random() < 0.5:
                self.zombies.append(self.live)
            self.live = Life(self)
        elif self.zombies:
            self._haunt(self.random.choice(self.zombies))

    def _haunt(self, zombie: Life) -> None:
        chance = self.random.random()
        if chance < 0.2:
            self.zombies.remove(zombie)
        elif chance < 0.5:
            zombie.read()
        else:
            zombie.append()

    def drain(self) -> None:
        """No more trouble: everything is read and appended."""
        self.zombies.clear()
        while self.live.next < len(self.source) or self.live.flight:
            self.live.read()
            self.live.append()


class Course(NamedTuple):
    """Positions of the events, and of those that the end took; copies in the logs; events that a stage took again."""

    events: list[int]
    taken: list[int]
    copies: int
    retaken: int


def run(seed: int) -> Course:
    """One random run."""
    chance = random.Random(seed)
    logs = [Log() for _ in range(4)]
    for seq in range(chance.randint(5, 30)):
        logs[0].put(seq)
    stages = [Stage(source, target, chance) for source, target in pairwise(logs)]
    for _ in range(chance.randint(50, 500)):
        chance.choice(stages).step()
    for stage in stages:
        stage.drain()
    highest, taken = -1, []
    for item in logs[-1]:
        if item.seq > highest:
            highest = item.seq
            taken.append(item.seq)
    copies = sum(len(log) - len(logs[0]) for log in logs[1:])
    return Course([item.seq for item in logs[0]], taken, copies, sum(stage.retaken for stage in stages))


def test_every_event_is_taken_once_and_in_order() -> None:
    """Whatever dies when: of the copies that replays leave in the logs none is taken below a commit or at the end."""
    copies = 0
    for seed in range(RUNS):
        course = run(seed)
        assert course.taken == course.events, seed
        assert course.retaken == 0, seed
        copies += course.copies
    assert copies > RUNS  # the runs do replay


def test_what_is_left_of_a_batch_after_a_seek_counts_for_nothing() -> None:
    """It was handed out before the seek; the outputs of its second reading are not copies of the first's."""
    ledger = Ledger()
    old, _ = ledger.hand_out(*SOURCE, [Item(n, n) for n in range(5)])
    ledger.start(SOURCE, None)
    old.done(4)
    again, _ = ledger.hand_out(*SOURCE, [Item(n, n) for n in range(5)])
    assert again.watermark() == -1
