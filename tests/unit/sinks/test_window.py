"""Batches of a wave: how many are on their way, in which order they leave, and how their wave ends."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sinks.window import Sent, Window

_PATIENCE = 30.0
Answer = Callable[[Sent[int]], None]


class Client:
    """Keeps what is sent until it is answered, from a thread of its own; the first to come is the first to go."""

    def __init__(self, answer: Answer = Sent.done) -> None:
        self.sent: list[tuple[int, int]] = []  # group, batch
        self.most: dict[int, int] = {}
        self._out: dict[int, int] = {}
        self._waiting: deque[Sent[int]] = deque()
        self._answer = answer

    def send(self, batch: int, sent: Sent[int]) -> None:
        """As a client that does not block."""
        group = sent.group
        self._out[group] = self._out.get(group, 0) + 1
        self.most[group] = max(self.most.get(group, 0), self._out[group])
        self.sent.append((group, batch))
        self._waiting.append(sent)

    def answer_all(self) -> None:
        """Answer until nothing is on its way."""
        while self._waiting:
            sent = self._waiting.popleft()
            self._out[sent.group] -= 1
            self._answer(sent)


async def _run(client: Client, wave: list[tuple[int, int]], most: int) -> list[float]:
    took: list[float] = []
    task = asyncio.create_task(Window(wave, most, client.send, took).acked(_PATIENCE))
    await asyncio.sleep(0)
    thread = threading.Thread(target=client.answer_all)
    thread.start()
    try:
        await task
    finally:
        thread.join()
    return took


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 9))
@example([0] * 3 + [1], 2)
def test_no_more_are_on_their_way_to_a_coordinator_than_may_be(groups: list[int], most: int) -> None:
    """Every batch leaves once, those of a coordinator in order, as many at once as may."""
    wave = [(group, number) for number, group in enumerate(groups)]
    client = Client()
    took = asyncio.run(_run(client, wave, most))
    for each in set(groups):
        assert [batch for batch in client.sent if batch[0] == each] == [b for b in wave if b[0] == each]
        assert client.most[each] == min(most, groups.count(each))
    assert len(client.sent) == len(took) == len(wave)


async def test_a_failure_ends_the_wave() -> None:
    """It is raised, and what has not left stays."""
    client = Client(lambda sent: sent.fail(ValueError("no")))
    with pytest.raises(ValueError, match="no"):
        await _run(client, [(0, number) for number in range(9)], 2)
    assert client.sent == [(0, 0), (0, 1)]


async def test_a_failure_is_raised_when_nothing_is_on_its_way() -> None:
    """Whoever tries again at once would have more on the way to a store in trouble with each time."""
    on_their_way: list[Sent[int]] = []
    wave = [(group, number) for group in range(2) for number in range(3)]
    window = Window(wave, 1, lambda _, sent: on_their_way.append(sent), took := list[float]())
    task = asyncio.create_task(window.acked(_PATIENCE))
    await asyncio.sleep(0)
    first, second = on_their_way
    first.fail(ValueError("no"))
    for _ in range(9):
        await asyncio.sleep(0)
    assert not task.done()
    second.done()
    with pytest.raises(ValueError, match="no"):
        await task
    assert len(on_their_way) == len(took) == 2


async def test_without_an_answer_patience_ends() -> None:
    """And an answer that comes later has nothing leave."""
    client = Client()
    with pytest.raises(TimeoutError):
        await Window([(0, 1), (0, 2)], 1, client.send, []).acked(0.01)
    client.answer_all()
    assert client.sent == [(0, 1)]


async def test_a_wave_that_goes_on_may_take_longer_than_patience() -> None:
    """Patience is with an answer, not with the wave: one batch in each stretch of it is enough."""
    client, loop, began = Client(), asyncio.get_running_loop(), asyncio.get_running_loop().time()

    def send(batch: int, sent: Sent[int]) -> None:
        client.send(batch, sent)
        loop.call_later(0.15, sent.done)

    await Window([(0, number) for number in range(4)], 1, send, []).acked(0.2)
    assert len(client.sent) == 4
    assert loop.time() - began > 0.5


async def test_who_is_cancelled_sends_no_more() -> None:
    """The rows are written again by whoever comes next."""
    client = Client()
    task = asyncio.create_task(Window([(0, 1), (0, 2)], 1, client.send, []).acked(_PATIENCE))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    client.answer_all()
    assert client.sent == [(0, 1)]


async def test_an_empty_wave_is_acked() -> None:
    """Nothing is waited for."""
    await Window([], 3, Client().send, []).acked(_PATIENCE)
