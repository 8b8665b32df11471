"""The outlet over a producer in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams.transport import DeliveryFailed, Failure
from streams.transport.outlet import GAPLESS, Outlet
from tests.unit.transport.fake import Broker, FakeKafka, until, use


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A broker without records."""
    made = Broker(0)
    use(monkeypatch, made)
    return made


async def test_a_batch_waits_for_its_turn_while_a_commit_flushes(broker: Broker) -> None:
    """Otherwise a busy agent would keep the queue from ever being empty."""
    outlet = Outlet({}, Failure())
    await outlet.turn()
    broker.answering.clear()
    outlet.put("out", 0, None, b"v")
    flushing = asyncio.ensure_future(outlet.flush())
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(outlet.turn())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    broker.answering.set()
    await flushing
    await waiting
    assert broker.delivered == [b"v"]


async def test_a_failure_while_waiting_for_room_ends_the_wait(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that will never have room again does not hold the agent for ever."""
    failure = Failure()
    outlet = Outlet({}, failure)

    def full(*args: object) -> None:
        raise BufferError

    monkeypatch.setattr(outlet, "_produce", full)
    sending = asyncio.ensure_future(outlet.send("out", 0, None, b"v"))
    await asyncio.sleep(0.02)
    assert not sending.done()
    failure.fail(ValueError("elsewhere"))
    with pytest.raises(DeliveryFailed, match="elsewhere"):
        await sending


async def test_a_polling_thread_that_dies_is_a_failure(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without reports nobody would know of failed deliveries."""

    def broken(self: FakeKafka, timeout: float) -> int:
        raise RuntimeError("fatal state")

    monkeypatch.setattr(FakeKafka, "poll", broken)
    failure = Failure()
    outlet = Outlet({}, failure)
    outlet.start()
    await until(lambda: failure.cause, "the failure is noted")
    outlet.stop()
    assert isinstance(failure.cause, DeliveryFailed)


def test_what_makes_the_log_gapless_cannot_be_configured_away(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the configuration says; the rest is the caller's."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(FakeKafka, "__init__", lambda self, config: seen.update(config))
    Outlet({"enable.gapless.guarantee": False, "message.timeout.ms": 1, "linger.ms": 0}, Failure())
    assert {name: seen[name] for name in GAPLESS} == GAPLESS
    assert seen["linger.ms"] == 0


def test_only_the_first_failure_counts() -> None:
    """It is kept for good; each listener is told of it once, a late one at once."""
    failure = Failure()
    told: list[BaseException] = []
    failure.listen(told.append)
    first = ValueError("first")
    failure.fail(first)
    failure.fail(ValueError("second"))
    failure.listen(told.append)
    assert failure.cause is first
    assert told == [first, first]
