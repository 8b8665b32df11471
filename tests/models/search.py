"""Breadth-first search of every state that a model can reach, with the shortest way to what must not be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
#: A step from a state: what happens, and the state after it.
Step = tuple[str, S]


@dataclass
class Found(Generic[S]):
    """How many states there are, and the shortest way to each kind of fault."""

    states: int
    faults: dict[str, list[str]]

    def __str__(self) -> str:
        ways = [f"{fault}: {' > '.join(way)}" for fault, way in self.faults.items()]
        return "\n".join([f"{self.states} states", *ways])


def explore(
    start: S,
    steps: Callable[[S], list[Step[S]]],
    wrong: Callable[[S, list[Step[S]]], Iterable[str]],
    most: int = 2_000_000,
) -> Found[S]:
    """Explore all states from `start`; `wrong` names the faults of a state, given the steps that lead on from it.

    Raises RuntimeError for more than `most` states: an answer about a part would be none.
    """
    came: dict[S, tuple[S, str] | None] = {start: None}
    waiting = deque([start])
    faults: dict[str, list[str]] = {}
    while waiting:
        state = waiting.popleft()
        onward = steps(state)
        for fault in wrong(state, onward):
            faults.setdefault(fault, _way(came, state))
        for label, after in onward:
            if after not in came:
                came[after] = state, label
                waiting.append(after)
        if len(came) > most:
            raise RuntimeError(f"more than {most} states")
    return Found(len(came), faults)


def _way(came: dict[S, tuple[S, str] | None], state: S) -> list[str]:
    way: list[str] = []
    while (before := came[state]) is not None:
        state, label = before
        way.append(label)
    return way[::-1]
