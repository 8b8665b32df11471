"""What became of the records of a stage. Batches are handled side by side: each has a tally of its own till its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final


class Tally:
    """Counts of a stage, or what a batch adds to them."""

    def __init__(self, kinds: Iterable[str] = ()) -> None:
        """`kinds` of outcomes are there before the first."""
        self.copies = 0
        self.outcomes = Counter(dict.fromkeys(kinds, 0))
        self.forwarded: Counter[str] = Counter()  # records put, by the kind of topic
        self.ended: Counter[str] = Counter()  # records taken, by the one thing that became of each
        self.held = 0  # records that wait until the stage decides what becomes of them
        self.over = False  # it was added to another

    def add(self, other: Tally) -> None:
        """Add what a batch has counted, which counts no more."""
        self.copies += other.copies
        self.outcomes.update(other.outcomes)
        self.forwarded.update(other.forwarded)
        self.ended.update(other.ended)
        self.held += other.held
        other.over = True


#: That of the batch which this task, or what it has started, handles.
current: Final[ContextVar[Tally | None]] = ContextVar("tally", default=None)
