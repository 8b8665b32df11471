"""A stage with a table through crashes, zombies and replays: random runs of the real state on a compacted changelog.

Lives start at the committed offset with the state read from the changelog, read polls of random size, write rows and
forwards (two topics: any prefix of each may be appended when a life ends), and commit when both are out. Zombies go on:
their records land late, their commits are refused. Downstream keeps the replay watermark.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from streams.envelope import position
from streams.rows import RowKey, decode_key
from streams.state import State

WINDOW = 12


def position_of(offset: int) -> int:
    """The position of a record of the source, as commits carry it; -1 before the first."""
    return -1 if offset < 0 else position(1, offset)


class LogRecord(NamedTuple):
    """A record of the source: which event id or line it belongs to, its broker time, and its version.

    `first`: it is a dead letter that came again, and lay there first. `gated`: it became one without being judged.
    """

    name: int
    time: int
    version: int
    first: int = -1
    gated: bool = False


class Life:
    """One process that owns the partition, or believes so."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.position = run.committed
        self.committed = position_of(run.committed - 1)
        self.skew = run.skew()
        self.state = run.make()
        for key, value in run.changelog.items():
            self.state.read(key, value)
        self.state.settle()
        self.rows: list[tuple[bytes, bytes | None]] = []
        self.forwards: list[int] = []

    def poll(self) -> None:
        """Judge the next few records."""
        run = self.run
        end = min(len(run.log), self.position + run.random.randint(1, 6))
        if self.position == end:
            return
        self.state.release(position_of(self.position - 1) if run.eager else self.committed)
        judged = [(offset, record) for offset, record in self._records(end) if not record.gated]
        entries = [run.entry(offset, record.time + self.skew) for offset, record in judged]
        verdicts, rows = self.state.judge(entries)
        passed = self.state.passed(verdicts)
        self.forwards += [judged[i][0] for i in passed]
        run.refused += [(judged[i][0], v) for i, v in enumerate(verdicts) if i not in passed]
        self.rows += [(run.rename(row.key), row.value) for row in rows]
        self.rows += [(run.rename(key), None) for key in self.state.dead_rows(2)]
        self.position = end

    def rewind(self) -> None:
        """Back to what is committed with the state as it is, as a partition that stays in a rebalance."""
        self.position = self.run.committed

    def _records(self, end: int) -> list[tuple[int, LogRecord]]:
        return list(enumerate(self.run.log))[self.position : end]

    def flush(self) -> None:
        """One record of one of the two topics is appended."""
        if self.rows and (not self.forwards or self.run.random.random() < 0.5):
            key, value = self.rows.pop(0)
            self.run.append(key, value)
        elif self.forwards:
            self.run.downstream.append(self.forwards.pop(0))

    def commit(self) -> None:
        """Everything is out: so much is done for good."""
        if not self.rows and not self.forwards:
            self.run.committed = max(self.run.committed, self.position)
            self.committed = position_of(self.position - 1)


class Run:
    """One random run to the end of the log."""

    def __init__(
        self,
        seed: int,
        make: Callable[[], State[Any, Any]],
        entry: Callable[[int, LogRecord, int], Any],
        *,
        first_only: bool = False,
        skewed: bool = False,
        eager: bool = False,
        letters: bool = False,
    ) -> None:
        """With `letters` one record becomes a dead letter and comes again, several times.

        `first_only`, `skewed` and `eager` are mistakes: row keys without the last offset, entries that age by the
        worker's clock, and rows that go before the commit has passed them."""
        self.random = random.Random(seed)
        self.make = make
        self.first_only, self.skewed, self.eager = first_only, skewed, eager
        self.log: list[LogRecord] = []
        self._make_log()
        self.dead = self._make_letter() if letters else -1
        self._entry = entry
        self.changelog: dict[bytes, bytes | None] = {}
        self.downstream: list[int] = []
        self.refused: list[tuple[int, Any]] = []
        self.committed = 0
        self._live()

    def _make_log(self) -> None:
        time = 1000
        for _ in range(count := self.random.randint(6, 40)):
            time += self.random.choice((0, 0, 1, 1, 3))
            self.log.append(LogRecord(self.random.randrange(max(3, count // 2)), time, self.random.randint(0, 9)))

    def _make_letter(self) -> int:
        """The offset of a record that becomes a dead letter: before the state is asked, or behind it."""
        draw, log = self.random, self.log
        dead = draw.randrange(len(log))
        log[dead] = log[dead]._replace(gated=draw.random() < 0.5)
        for _ in range(draw.randint(1, 3)):
            log.append(LogRecord(log[dead].name, log[-1].time + draw.randint(0, 2), log[dead].version, dead))
            if draw.random() < 0.5:
                log.append(LogRecord(draw.choice(log).name, log[-1].time + draw.randint(0, 2), 0))
        return dead

    def entry(self, offset: int, now: int) -> Any:
        """The entry of a record."""
        return self._entry(offset, self.log[offset], now)

    def skew(self) -> int:
        """How far the clock of a life is off."""
        return self.random.choice((0, 0, 3, -3)) if self.skewed else 0

    def rename(self, key: bytes) -> bytes:
        """The row key as written."""
        if not self.first_only:
            return key
        name = decode_key(key)
        return RowKey(name.partition, name.start, name.first, name.first).encode()

    def append(self, key: bytes, value: bytes | None) -> None:
        """Append to the changelog, of which compaction keeps the last of each key, in the order of the offsets."""
        self.changelog.pop(key, None)
        self.changelog[key] = value

    def _live(self) -> None:
        draw = self.random
        live, zombies = Life(self), list[Life]()
        for _ in range(draw.randint(10, 200)):
            chance = draw.random()
            if chance < 0.25:
                live.poll()
            elif chance < 0.7:
                live.flush()
            elif chance < 0.8:
                live.commit()
            elif chance < 0.83:
                live.rewind()
            elif chance < 0.88:
                if draw.random() < 0.6:
                    zombies.append(live)
                live = Life(self)
            elif zombies:
                self._haunt(draw.choice(zombies))
        while live.position < len(self.log) or live.rows or live.forwards:
            live.poll()
            live.flush()

    def _haunt(self, zombie: Life) -> None:
        if self.random.random() < 0.3:
            zombie.poll()
        else:
            zombie.flush()

    def taken(self) -> list[int]:
        """Offsets that downstream took: those above all before them."""
        highest, taken = -1, []
        for offset in self.downstream:
            if offset > highest:
                highest = offset
                taken.append(offset)
        return taken
