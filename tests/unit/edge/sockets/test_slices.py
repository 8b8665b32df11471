"""Slices: order is kept, and a long queue lets the loop turn."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from edge.sockets import slices
from edge.sockets.slices import Slices


def unexpected() -> None:
    """A call that raises."""
    raise AssertionError


async def test_calls_are_made_in_order_over_several_turns() -> None:
    """Each turn for one slice."""
    queue, done, turns = Slices(), list[int](), 0

    def work(number: int) -> None:
        end = time.perf_counter() + slices.SLICE_S / 2
        while time.perf_counter() < end:
            pass
        done.append(number)

    for number in range(20):
        queue.add(partial(work, number), unexpected)
    while len(done) < 20:
        await asyncio.sleep(0)
        turns += 1
    assert done == list(range(20))
    assert turns > 5
    assert len(queue) == 0


async def test_work_that_comes_later_is_done_too() -> None:
    """The queue sleeps in between."""
    queue = Slices()
    for _ in range(2):
        done = asyncio.Event()
        queue.add(done.set, unexpected)
        await asyncio.wait_for(done.wait(), 5)


async def test_a_call_that_raises_is_told_and_holds_up_nobody() -> None:
    """What it was for can be ended."""
    queue, told, done = Slices(), list[str](), asyncio.Event()
    queue.add(unexpected, partial(told.append, "failed"))
    queue.add(done.set, unexpected)
    await asyncio.wait_for(done.wait(), 5)
    assert told == ["failed"]
