"""Requests that take too long end, and nothing else does."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from sinks.deadlines import Deadlines

SOON = 0.01


async def answer(value: int, after: float = 0.0) -> int:
    """A request."""
    await asyncio.sleep(after)
    return value


async def for_ever() -> int:
    """A request that has no answer."""
    await asyncio.Event().wait()
    return 0


async def test_what_is_in_time_is_returned() -> None:
    """One after the other, and side by side."""
    deadlines = Deadlines(60)
    assert [await deadlines.within(answer(n)) for n in range(3)] == [0, 1, 2]
    assert await asyncio.gather(*(deadlines.within(answer(n, SOON)) for n in range(3))) == [0, 1, 2]


async def test_what_is_late_ends_each_time() -> None:
    """Also in the same task, also after the timer has slept; what began later has its own time."""
    deadlines = Deadlines(SOON)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await deadlines.within(for_ever())
        assert await deadlines.within(answer(1)) == 1
    found = await asyncio.gather(*(deadlines.within(for_ever()) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [TimeoutError] * 3


async def test_an_error_is_that_of_the_request() -> None:
    """As without a deadline."""

    async def fail() -> int:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await Deadlines(60).within(fail())


async def test_to_be_cancelled_is_no_time_out() -> None:
    """Neither before the time is over, nor in the moment in which it is."""
    deadlines = Deadlines(SOON)
    waiting = asyncio.create_task(deadlines.within(for_ever()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    async def cancelled_twice() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(2 * SOON, task.cancel)

        async def stay() -> int:
            with suppress(asyncio.CancelledError):
                await for_ever()
            return await for_ever()

        await deadlines.within(stay())

    both = asyncio.create_task(cancelled_twice())
    with pytest.raises(asyncio.CancelledError):
        await both
    assert both.cancelled()


async def test_a_request_that_goes_on_regardless_leaves_its_task_whole() -> None:
    """Its answer stands, and the task is not taken for one that is cancelled."""

    async def stubborn() -> int:
        with suppress(asyncio.CancelledError):
            await for_ever()
        return await answer(7)

    task = asyncio.current_task()
    assert task is not None
    assert await Deadlines(SOON).within(stubborn()) == 7
    assert task.cancelling() == 0
