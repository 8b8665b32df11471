"""Rows on three replicas: a read that moves a cursor as far as the head finds every row up to there.

Every order in which replicas take writes and answer reads is explored, at the levels that the product writes and reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import pytest
from cassandra import ConsistencyLevel

from sinks import cassandra
from sinks.inbox import InboxReader, _PackedBatch

REPLICAS: Final = 3
ROWS: Final = 2
NEEDED: Final = {ConsistencyLevel.LOCAL_ONE: 1, ConsistencyLevel.LOCAL_QUORUM: 2, ConsistencyLevel.ALL: 3}


class State(NamedTuple):
    """What each replica holds (a bit a row), rows that were begun, the head, and a read: the head that it took first
    (-1: not begun), and the answers of replicas so far."""

    held: tuple[int, ...] = (0,) * REPLICAS
    begun: int = 1
    head: int = 0
    bound: int = -1
    answers: tuple[tuple[int, int], ...] = ()


class Levels(NamedTuple):
    """Replicas that must take a write, and answer a read."""

    write: int
    read: int


async def levels_of_the_product() -> Levels:
    """A batch of rows carries its level; a statement has one of its own, or that of the session."""

    async def prepare(text: str) -> Any:
        return SimpleNamespace(consistency_level=None)

    session: Any = SimpleNamespace(prepare=prepare, execute=None)
    reader = await InboxReader.open(session)
    level = reader._statement.consistency_level
    return Levels(NEEDED[_PackedBatch([], 0).consistency_level], NEEDED[cassandra.LEVEL if level is None else level])


def steps(state: State, levels: Levels) -> Iterator[State]:
    """What may happen next. A row is written when the one before it is acked, as rows of an account are."""
    for replica, held in enumerate(state.held):
        for row in range(1, state.begun + 1):
            if not held >> row & 1:
                taken = (*state.held[:replica], held | 1 << row, *state.held[replica + 1 :])
                yield state._replace(held=taken)
    acked = sum(held >> state.begun & 1 for held in state.held) >= levels.write
    if acked and state.begun < ROWS:
        yield state._replace(begun=state.begun + 1)
    if acked and state.head < state.begun:
        yield state._replace(head=state.begun)
    if state.bound < 0:
        yield state._replace(bound=state.head)
        return
    asked = {replica for replica, _ in state.answers}
    for replica, held in enumerate(state.held):
        if replica not in asked and len(state.answers) < levels.read:
            yield state._replace(answers=(*state.answers, (replica, held)))


def skips(state: State, levels: Levels) -> bool:
    """Whether the read is complete and lacks a row up to the head: the cursor would pass it."""
    if len(state.answers) < levels.read:
        return False
    found = 0
    for _, held in state.answers:
        found |= held
    return any(not found >> row & 1 for row in range(1, min(found.bit_length() - 1, state.bound) + 1))


def explore(levels: Levels) -> tuple[int, bool]:
    """How many states there are, and whether a read skips a row in one of them."""
    known = {State()}
    waiting = deque(known)
    while waiting:
        state = waiting.popleft()
        if skips(state, levels):
            return len(known), True
        fresh = set(steps(state, levels)) - known
        known |= fresh
        waiting.extend(fresh)
    return len(known), False


async def test_a_read_never_skips_a_row() -> None:
    """At the levels at which the product writes and reads."""
    states, found = explore(await levels_of_the_product())
    assert not found
    assert states > 500


@pytest.mark.parametrize("levels", [Levels(2, 1), Levels(1, 2), Levels(1, 1)])
def test_weaker_levels_do(levels: Levels) -> None:
    """The search is able to find it."""
    assert explore(levels)[1]
