"""Two members in each group under kill -9, pauses beyond the session timeout, and stops, drawn by a seed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.transport.pipeline import Pipeline, Worker, until

SEED = int(os.environ.get("LOCKSTEP_CHAOS_SEED", "3"))
EVENTS = int(os.environ.get("LOCKSTEP_CHAOS_EVENTS", "40000"))
RATE = int(os.environ.get("LOCKSTEP_CHAOS_RATE", "1300"))
SESSION = 6.0  # seconds, the least that a broker allows as shipped
FIRST = 5.0  # seconds before the first blow


class Monkey:
    """Hits one worker after the other and starts another in the place of one that ends."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.slots = [self._start(pipeline, kind) for kind in ("router", "router", "lane", "lane")]
        self.blows: Counter[str] = Counter()
        self.codes: list[int] = []  # exits that nobody forced
        self._pipeline = pipeline
        self._chance = random.Random(SEED)
        self._paused: dict[int, float] = {}  # slot -> when it goes on
        self._next = time.monotonic() + FIRST

    @staticmethod
    def _start(pipeline: Pipeline, kind: str) -> Worker:
        return pipeline.start(kind, session_timeout=SESSION, notify_pause=0.02, store_pause=0.02)

    def step(self, hit: bool) -> bool:
        """One look; True while a worker is paused."""
        now = time.monotonic()
        for slot in [slot for slot, until_then in self._paused.items() if now > until_then]:
            self.slots[slot].send(signal.SIGCONT)
            del self._paused[slot]
        for slot, worker in enumerate(self.slots):
            if not worker.alive():
                self.codes.append(worker.process.returncode)
                self.slots[slot] = self._start(self._pipeline, worker.kind)
        if hit and now > self._next and len(self._paused) < 3:
            self._next = now + self._chance.uniform(1, 3)
            self._hit(self._chance.choice([slot for slot in range(4) if slot not in self._paused]), now)
        return bool(self._paused)

    def _hit(self, slot: int, now: float) -> None:
        blow = self._chance.choice(["kill", "pause", "stop"])
        self.blows[blow] += 1
        worker = self.slots[slot]
        if blow == "pause":
            worker.send(signal.SIGSTOP)
            self._paused[slot] = now + self._chance.uniform(SESSION + 0.5, SESSION + 3)
            return
        if blow == "kill":
            worker.kill()
        else:
            self.codes.append(worker.stop())
        self.slots[slot] = self._start(self._pipeline, worker.kind)


@contextmanager
def _fed(pipeline: Pipeline) -> Iterator[threading.Thread]:
    feeder = threading.Thread(target=pipeline.fill, args=(EVENTS, SEED), kwargs={"rate": RATE})
    feeder.start()
    try:
        yield feeder
    finally:
        feeder.join()


def test_nothing_is_lost_or_out_of_order_whatever_happens_to_the_workers(pipeline: Pipeline) -> None:
    """By the rule of the watermark every event is once in every topic, in order; each exit that was not forced is 0."""
    pipeline.create()
    monkey = Monkey(pipeline)
    with _fed(pipeline) as feeder:
        while monkey.step(hit=feeder.is_alive()) or feeder.is_alive():
            time.sleep(0.1)
    pipeline.drain(90)
    monkey.codes += [worker.stop() for worker in monkey.slots]
    verdicts = pipeline.check()
    assert verdicts["push.a"].taken > EVENTS / 3
    assert set(monkey.codes) == {0}
    assert set(monkey.blows) == {"kill", "pause", "stop"}
    logs = pipeline.logs()
    assert "offsets are missing" not in logs
    assert "CRITICAL" not in logs


def test_a_rebalance_moves_half_the_partitions_and_replays_little(pipeline: Pipeline) -> None:
    """A member joins and leaves under load: both work meanwhile, and what is lost is nothing."""
    pipeline.create()
    with _fed_for_rebalance(pipeline):
        router, first = pipeline.start("router"), pipeline.start("lane")
        until(lambda: first.count("store") > 0, "the lane works")
        second = pipeline.start("lane")
        until(lambda: (first.assigned(), second.assigned()) == (4, 4), "they share the partitions")
        until(lambda: second.count("store") > 0, "the second works")
        another = pipeline.start("router")
        until(lambda: another.count("route") > 0 and another.assigned() == 2, "the second router works, its table read")
        assert second.stop() == 0
        until(lambda: first.assigned() == 8, "the first has all again")
    pipeline.drain()
    assert [worker.stop() for worker in (router, another, first)] == [0, 0, 0]
    verdicts = pipeline.check()
    assert sum(verdict.copies for verdict in verdicts.values()) < 200
    assert "offsets are missing" not in pipeline.logs()


@contextmanager
def _fed_for_rebalance(pipeline: Pipeline) -> Iterator[None]:
    """Events at a steady rate for as long as the block runs."""
    over = threading.Event()

    def feed() -> None:
        seed = 0
        while not over.is_set():
            seed += 1
            pipeline.fill(500, seed, rate=1000)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        over.set()
        feeder.join()
