"""Rows on three replicas: a read that moves a cursor finds every row up to there.

Every order in which replicas take writes and answer reads is explored, at the levels that the product writes and reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import pytest
from cassandra import ConsistencyLevel

from sinks import cassandra
from sinks.inbox import InboxReader, _PackedBatch
from sinks.rows import VERSION, Detail

DETAIL: Final = msgspec.msgpack.encode(Detail(VERSION, 0, 0, 0, "", (), ""))
REPLICAS: Final = 3
ROWS: Final = 2
NEEDED: Final = {ConsistencyLevel.LOCAL_ONE: 1, ConsistencyLevel.LOCAL_QUORUM: 2, ConsistencyLevel.ALL: 3}


class State(NamedTuple):
    """What each replica holds (a bit a row), rows that were begun, the head, and a read: the bound that it took first
    (-1: not begun), and the answers of replicas so far. The bound is the head or, where a read has no upper end, the
    newest row that a look before it has seen."""

    held: tuple[int, ...] = (0,) * REPLICAS
    begun: int = 1
    head: int = 0
    bound: int = -1
    answers: tuple[tuple[int, int], ...] = ()
    looks: int = 0


class Levels(NamedTuple):
    """Replicas that must take a write, and answer a read."""

    write: int
    read: int


class Way(NamedTuple):
    """How a cursor-moving read goes: up to the head that was read first, or without an upper end; with a second look,
    up to where the first one came, or not."""

    to_head: bool
    looks: int


TO_HEAD: Final = Way(to_head=True, looks=1)
LOOKS_TWICE: Final = Way(to_head=False, looks=2)
LOOKS_ONCE: Final = Way(to_head=False, looks=1)


async def levels_of_the_product() -> Levels:
    """A batch of rows carries its level; a statement has one of its own, or that of the session."""

    async def prepare(text: str) -> Any:
        return SimpleNamespace(consistency_level=None)

    session: Any = SimpleNamespace(prepare=prepare, execute=None)
    reader = await InboxReader.open(session)
    level = reader._statement.consistency_level
    return Levels(NEEDED[_PackedBatch([], 0).consistency_level], NEEDED[cassandra.LEVEL if level is None else level])


def steps(state: State, levels: Levels, way: Way) -> Iterator[State]:
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
        yield state._replace(bound=state.head if way.to_head else ROWS, looks=1)
        return
    yield from answers(state, levels, way)


def answers(state: State, levels: Levels, way: Way) -> Iterator[State]:
    """Another replica answers; once all are there, the next look begins where there is one."""
    asked = {replica for replica, _ in state.answers}
    if len(asked) == levels.read and state.looks < way.looks:
        yield state._replace(bound=newest(state), answers=(), looks=state.looks + 1)
    for replica, held in enumerate(state.held):
        if replica not in asked and len(state.answers) < levels.read:
            yield state._replace(answers=(*state.answers, (replica, held)))


def newest(state: State) -> int:
    """The newest row in the answers that is not above the bound; 0 for none."""
    held = [row for row in range(1, state.bound + 1) if any(held >> row & 1 for _, held in state.answers)]
    return max(held, default=0)


def skips(state: State, levels: Levels, way: Way) -> bool:
    """Whether the read is complete and lacks a row that the cursor passes: up to the head, else up to the newest."""
    if len(state.answers) < levels.read or state.looks < way.looks:
        return False
    found = 0
    for _, held in state.answers:
        found |= held
    passed = state.bound if way.to_head else newest(state)
    return any(not found >> row & 1 for row in range(1, passed + 1))


def explore(levels: Levels, way: Way) -> tuple[int, bool]:
    """How many states there are, and whether a read skips a row in one of them."""
    known = {State()}
    waiting = deque(known)
    while waiting:
        state = waiting.popleft()
        if skips(state, levels, way):
            return len(known), True
        fresh = set(steps(state, levels, way)) - known
        known |= fresh
        waiting.extend(fresh)
    return len(known), False


@pytest.mark.parametrize("way", [TO_HEAD, LOOKS_TWICE])
async def test_a_read_never_skips_a_row(way: Way) -> None:
    """At the levels at which the product writes and reads, and in the ways in which it reads."""
    states, found = explore(await levels_of_the_product(), way)
    assert not found
    assert states > 500


async def test_one_look_without_an_upper_end_does() -> None:
    """A replica shows the second row, and the other had been asked before it had the first."""
    assert explore(await levels_of_the_product(), LOOKS_ONCE)[1]


@pytest.mark.parametrize(("acked", "upto", "looks"), [(-1, None, 2), (1, None, 2), (2, None, 1), (1, 2, 1)])
async def test_the_product_looks_again_where_it_must(acked: int, upto: int | None, looks: int) -> None:
    """Above what is known to be acked, up to the row that the first look came to, and not where a bound is given."""
    session: Any = SimpleNamespace(execute=None)
    reader = InboxReader(session, None)
    asked: list[Any] = []

    async def execute(statement: object, arguments: Any) -> list[Any]:
        asked.append(arguments)
        rows = [1, 2] if len(asked) == looks else [2]
        return [(seq, UUID(int=seq), "", DETAIL, b"") for seq in rows]

    reader._execute = execute
    found = await reader.read("a", 0, 0, upto, 10, acked)
    assert [row.seq for row in found] == [1, 2]
    assert [last for _, _, _, last, _ in asked] == [2**63 - 1 if upto is None else upto, 2][:looks]


@pytest.mark.parametrize("levels", [Levels(2, 1), Levels(1, 2), Levels(1, 1)])
def test_weaker_levels_do(levels: Levels) -> None:
    """The search is able to find it."""
    assert explore(levels, TO_HEAD)[1]
