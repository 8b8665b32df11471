"""The outlet over a producer in memory."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError

from streams.transport import DeliveryFailed, Failure, OversizedRecord
from streams.transport.outlet import GAPLESS, NotOpen, Outlet
from tests.unit.transport.fake import MARKER, Broker, FakeKafka, until, use


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


async def test_records_sent_together_wait_for_room_one_by_one(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """None overtakes the one that found no room; markers come first where the session has not begun."""
    outlet = Outlet({}, Failure(), marked=frozenset({"out"}))
    produce, refusals = outlet._produce, iter([False, False, True, True])

    def sometimes_full(*args: object, **more: object) -> None:
        if next(refusals, False):
            raise BufferError
        produce(*args, **more)

    monkeypatch.setattr(outlet, "_produce", sometimes_full)
    await outlet.send_all("out", 0, [(b"k", b"%d" % number) for number in range(5)])
    await outlet.flush()
    assert broker.log == [MARKER, b"0", b"1", b"2", b"3", b"4"]
    assert next(refusals, None) is None


async def test_what_nobody_waits_for_leaves_together(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, in order; what is sent after it to another topic does not wait."""
    monkeypatch.setattr("streams.transport.outlet.GATHER_S", 0.05)
    outlet = Outlet({}, Failure(), gathered=frozenset({"late"}))
    await outlet.send("late", 0, None, b"1")
    await outlet.send("late", 1, None, b"2", [("a", b"b")])
    await outlet.send("out", 0, None, b"3")
    queued = outlet._producer._queue
    assert [value for value, _ in queued] == [b"3"]
    await until(lambda: len(queued) == 3, "it has left")
    assert [value for value, _ in queued] == [b"3", b"1", b"2"]


async def test_a_flush_takes_what_was_gathered_along(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the commit all is on the broker, also where the queue had no room for a while."""
    outlet = Outlet({}, Failure(), gathered=frozenset({"late"}))
    produce, refusals = outlet._produce, iter([False, True, True])

    def sometimes_full(*args: object) -> None:
        if next(refusals, False):
            raise BufferError
        produce(*args)

    monkeypatch.setattr(outlet, "_produce", sometimes_full)
    for number in range(3):
        await outlet.send("late", 0, None, b"%d" % number)
    await outlet.flush()
    assert broker.delivered == [b"0", b"1", b"2"]


async def test_a_gathered_record_that_cannot_be_sent_ends_the_process(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is committed without it."""
    failure = Failure()
    outlet = Outlet({}, failure, gathered=frozenset({"late"}))

    def too_large(*args: object) -> None:
        raise confluent_kafka.KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))

    monkeypatch.setattr(outlet, "_produce", too_large)
    await outlet.send("late", 0, None, b"v")
    with pytest.raises(DeliveryFailed):
        await outlet.flush()
    assert isinstance(failure.cause, OversizedRecord)


async def test_one_of_many_that_cannot_be_sent_is_named(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when it is sent alone."""
    outlet = Outlet({}, Failure())

    def oversized(*args: object) -> None:
        raise confluent_kafka.KafkaException(confluent_kafka.KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))

    monkeypatch.setattr(outlet, "_produce", oversized)
    with pytest.raises(OversizedRecord, match=r"out\[0\]: 2 bytes are too many"):
        await outlet.send_all("out", 0, [(b"k", b"v")])


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


class Looked(Failure):
    """A failure that two threads look at before either of them goes on, if they can."""

    def __init__(self) -> None:
        self.both = threading.Barrier(2)
        self._cause: BaseException | None = None
        super().__init__()

    @property
    def cause(self) -> BaseException | None:
        """What is there now, once another thread has looked too."""
        cause = self._cause
        with suppress(threading.BrokenBarrierError):
            self.both.wait(0.2)
        return cause

    @cause.setter
    def cause(self, cause: BaseException | None) -> None:
        self._cause = cause


def test_of_two_threads_that_fail_at_once_one_is_the_first() -> None:
    """Listeners are told of one failure, and that is the one which is kept."""
    failure, told = Looked(), list[BaseException]()
    failure.listen(told.append)
    failure.both.reset()
    threads = [threading.Thread(target=failure.fail, args=(ValueError(name),)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [failure.cause]


async def test_a_session_begins_with_a_marker_that_is_awaited_alone(broker: Broker) -> None:
    """Nothing is taken for the partition while its marker is on the way; what follows comes behind it."""
    outlet = Outlet({}, Failure(), marked=frozenset({"out"}))
    with pytest.raises(NotOpen):
        outlet.put("out", 0, None, b"too early")
    broker.answering.clear()
    sending = asyncio.ensure_future(outlet.send("out", 0, None, b"1"))
    await asyncio.sleep(0.02)
    with pytest.raises(NotOpen):
        outlet.put("out", 0, None, b"still too early")
    assert not sending.done()
    broker.answering.set()
    await sending
    outlet.put("out", 0, None, b"2")
    await outlet.flush()
    assert broker.log == [MARKER, b"1", b"2"]


async def test_partitions_are_opened_at_once_and_once(broker: Broker) -> None:
    """One marker each, also where they are opened again; topics outside of the rule get none."""
    outlet = Outlet({}, Failure(), marked=frozenset({"out"}))
    await outlet.open([("out", 0), ("out", 1), ("changelog", 0)])
    await outlet.open([("out", 1), ("out", 2)])
    outlet.put("changelog", 0, None, b"row")
    for partition in range(3):
        outlet.put("out", partition, None, b"v")
    await outlet.flush()
    assert broker.log == [MARKER] * 3 + [b"row"] + [b"v"] * 3


async def test_a_session_that_is_old_begins_anew(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker may have forgotten a producer that was silent for so long."""
    now = [1000.0]
    monkeypatch.setattr("streams.transport.outlet.time.monotonic", lambda: now[0])
    outlet = Outlet({}, Failure(), marked=frozenset({"out"}))
    await outlet.send("out", 0, None, b"1")
    now[0] += 11.9 * 3600
    await outlet.turn()
    outlet.put("out", 0, None, b"2")
    now[0] += 0.2 * 3600
    await outlet.turn()
    with pytest.raises(NotOpen):
        outlet.put("out", 0, None, b"3")
    await outlet.send("out", 0, None, b"3")
    await outlet.flush()
    assert broker.log == [MARKER, b"1", b"2", MARKER, b"3"]


async def test_a_marker_that_fails_opens_nothing(broker: Broker) -> None:
    """The process has failed; no record follows."""
    outlet = Outlet({}, Failure(), marked=frozenset({"out"}))
    broker.refusing = True
    with pytest.raises(DeliveryFailed):
        await outlet.open([("out", 0)])
    with pytest.raises(NotOpen):
        outlet.put("out", 0, None, b"v")
