"""Calls that are made as one: each caller gets its own, whatever becomes of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sinks.together import Together


class Rig:
    """Squares numbers, when it is let; it notes what it was called with."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate = asyncio.Event()
        self.square = Together(self._call)

    async def _call(self, items: Sequence[int]) -> list[int]:
        self.calls.append(list(items))
        await self.gate.wait()
        if 0 in items:
            raise ZeroDivisionError
        return [item * item for item in items]

    async def ask(self, *items: int) -> asyncio.Task[Sequence[int]]:
        """A caller of its own, that has asked."""
        task = asyncio.create_task(self._ask(items))
        await asyncio.sleep(0)
        return task

    async def _ask(self, items: Sequence[int]) -> Sequence[int]:
        return await self.square(items)


async def test_what_is_asked_for_meanwhile_is_the_next_call() -> None:
    """Two of one turn are the first; all that comes while that is under way are the second; each gets its own."""
    rig = Rig()
    tasks = [asyncio.create_task(rig._ask(items)) for items in ((1, 2), (3,))]
    await asyncio.sleep(0.01)
    tasks += [await rig.ask(4), await rig.ask(5, 6), await rig.ask()]
    rig.gate.set()
    assert [await task for task in tasks] == [[1, 4], [9], [16], [25, 36], []]
    assert rig.calls == [[1, 2, 3], [4, 5, 6]]


async def test_an_error_is_everybodys_of_that_call() -> None:
    """Those of the next one do not hear of it."""
    rig = Rig()
    failed = [asyncio.create_task(rig._ask(items)) for items in ((1,), (0,))]
    await asyncio.sleep(0.01)
    good = await rig.ask(2)
    rig.gate.set()
    for task in failed:
        with pytest.raises(ZeroDivisionError):
            await task
    assert await good == [4]


async def test_the_end_of_one_caller_is_no_others() -> None:
    """Whoever is cancelled while the call is its: the others are made anew. While it waits: it is left out."""
    rig = Rig()
    first, second = [asyncio.create_task(rig._ask(items)) for items in ((1,), (2,))]
    await asyncio.sleep(0.01)
    third, fourth = await rig.ask(3), await rig.ask(4)
    first.cancel()
    third.cancel()
    await asyncio.wait([first, third])
    rig.gate.set()
    assert [await second, await fourth] == [[4], [16]]
    assert rig.calls[0] == [1, 2]
    assert sorted(item for call in rig.calls[1:] for item in call) == [2, 4]
