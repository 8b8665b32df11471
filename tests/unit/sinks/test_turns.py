"""Work that several bring, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sinks.turns import Turns


class Desk:
    """Works on items when told to, and knows in which order they were begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.going: dict[str, asyncio.Event] = {}

    async def work(self, item: str) -> None:
        """Until it is told that this item is over."""
        self.begun.append(item)
        over = self.going[item] = asyncio.Event()
        try:
            await over.wait()
        except asyncio.CancelledError:
            self.cancelled.append(item)
            raise
        finally:
            del self.going[item]

    async def end(self, item: str) -> None:
        """Work on it is over, and whatever follows from that has begun."""
        self.going[item].set()
        await settle()


async def settle() -> None:
    """All tasks come to where they wait for something."""
    for _ in range(10):
        await asyncio.sleep(0)


async def bring(turns: Turns, items: str, work: Callable[[str], Awaitable[object]]) -> asyncio.Task[None]:
    """Items of one letter each, brought by a task of its own."""
    task = asyncio.create_task(turns.run(items, work))
    await settle()
    return task


async def test_no_more_than_so_many_at_once() -> None:
    """The others wait, and who brought them waits for all."""
    desk = Desk()
    task = await bring(Turns(2), "abc", desk.work)
    assert desk.begun == ["a", "b"]
    await desk.end("b")
    assert desk.begun == ["a", "b", "c"]
    await desk.end("a")
    assert not task.done()
    await desk.end("c")
    assert task.done()


async def test_each_lot_has_turns() -> None:
    """Who comes later does not wait for all that came before."""
    desk, turns = Desk(), Turns(1)
    await bring(turns, "abc", desk.work)
    later = await bring(turns, "xy", desk.work)
    for item in "abxcy":
        await desk.end(item)
    assert desk.begun == ["a", "b", "x", "c", "y"]
    assert later.done()


async def test_work_ends_with_who_brought_it() -> None:
    """What was going on is cancelled, what waited is not begun, and the others go on with as many workers."""
    desk, turns = Desk(), Turns(2)
    given_up = await bring(turns, "abc", desk.work)
    other = await bring(turns, "xyz", desk.work)
    given_up.cancel()
    await settle()
    assert given_up.cancelled()
    assert sorted(desk.cancelled) == ["a", "b"]
    assert desk.begun == ["a", "b", "x", "y"]
    for item in "xyz":
        await desk.end(item)
    assert desk.begun == ["a", "b", "x", "y", "z"]
    assert other.done()


async def test_nothing_to_do_is_done() -> None:
    """At once, and what comes afterwards is worked on."""
    desk, turns = Desk(), Turns(1)
    await turns.run("", desk.work)
    for item in "ab":
        task = await bring(turns, item, desk.work)
        await desk.end(item)
        assert task.done()
