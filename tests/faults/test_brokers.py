"""Brokers of a three-broker cluster die under load: nothing that was acked is lost, and the order stays."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from deploy.local.brokers import Brokers, cluster
from deploy.local.config import Config
from streams.transport import EXIT_FAILED
from streams.transport.client import Publisher, PublishFailed, ReadFailed
from tests.integration.transport.pipeline import Pipeline, Worker, until

#: How often a leader or the controller is bounced; each bounce takes some 12 s.
BOUNCES: Final = int(os.environ.get("LOCKSTEP_BROKER_BOUNCES", "10"))
SEED: Final = int(os.environ.get("LOCKSTEP_CHAOS_SEED", "3"))
RATE: Final = 1000.0  # events a second
CHASED: Final = ("events.a", "notifications.a", "push.a", "ingest", "router-seen-changelog")


@pytest.fixture(scope="module")
def brokers(local_config: Config) -> Iterator[Brokers]:
    """Three brokers, all up at the beginning."""
    with cluster(3, local_config) as made:
        yield made


@pytest.fixture
def pipeline(brokers: Brokers, prefix: str, tmp_path: Path) -> Iterator[Pipeline]:
    """Every topic has three replicas and takes a write once two have it."""
    brokers.start(brokers.ids)
    made = Pipeline(brokers.bootstrap, prefix, tmp_path, replication=3)
    made.create()
    try:
        yield made
    finally:
        made.kill_all()


class Keeper:
    """Keeps a router and a lane running, as Kubernetes does: one that has stopped itself is started again."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.codes: list[int] = []
        self.workers = [pipeline.start(kind) for kind in ("router", "lane")]
        self._pipeline = pipeline
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _keep(self) -> None:
        while not self._over.wait(0.2):
            for place, worker in enumerate(self.workers):
                if not worker.alive():
                    self.codes.append(worker.process.returncode)
                    self.workers[place] = self._pipeline.start(worker.kind)

    def end(self) -> list[Worker]:
        """Restart nothing more; the workers of the end."""
        self._over.set()
        self._thread.join()
        return self.workers


@contextmanager
def load(pipeline: Pipeline) -> Iterator[Keeper]:
    """Events come at a steady rate, and workers work, for as long as the block runs; then all is worked off."""
    over = threading.Event()

    def feed() -> None:
        seed = SEED
        while not over.is_set():
            seed += 1
            pipeline.fill(int(RATE) // 2, seed, rate=RATE)

    feeder = threading.Thread(target=feed)
    keeper = Keeper(pipeline)
    feeder.start()
    try:
        yield keeper
        over.set()
        feeder.join()
        pipeline.drain()
    finally:
        over.set()
        feeder.join()
        workers = keeper.end()
    assert {worker.stop() for worker in workers} == {0}


def passed(pipeline: Pipeline) -> int:
    """Records at the end of the pipeline, asked again while partitions change their leader."""

    def ends() -> dict[int, int] | None:
        with suppress(ReadFailed):
            return pipeline.ends("push.a")
        return None

    found: dict[int, int] = until(ends, "all partitions have a leader")
    return sum(found.values())


def goes_on(pipeline: Pipeline, what: str) -> None:
    """Wait until more comes out at the end."""
    before = passed(pipeline)
    until(lambda: passed(pipeline) > before + RATE / 4, what)


def leader(pipeline: Pipeline, name: str, partition: int) -> int:
    """The node that leads a partition."""
    topic = pipeline.prefix + name
    node: int = pipeline.admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader
    return node


def controller(pipeline: Pipeline) -> int:
    """The node that is the active controller."""
    node: int = pipeline.admin.describe_cluster().result().controller.id
    return node


def judge(pipeline: Pipeline, keeper: Keeper, faults: int, say: Callable[[str, object], None]) -> None:
    """Every acked event is in every topic once, in order; workers ended by themselves at most without a commit."""
    verdicts = pipeline.check()
    say("events", verdicts["push.a"].taken)
    say("faults", faults)
    assert verdicts["push.a"].taken > RATE
    assert set(keeper.codes) <= {EXIT_FAILED}
    assert "offsets are missing" not in pipeline.logs()


def test_bounced_leaders_and_controllers_lose_nothing(
    pipeline: Pipeline, brokers: Brokers, tell: Callable[[str], None], record_property: Callable[[str, object], None]
) -> None:
    """Clean stops and kill -9 in turn, of the leader of a topic on the way and of the controller, while events come."""
    chance = random.Random(SEED)
    with load(pipeline) as keeper:
        goes_on(pipeline, "the pipeline works")
        for turn in range(BOUNCES):
            topic, partition = CHASED[turn // 2 % len(CHASED)], chance.randrange(4)
            node = leader(pipeline, topic, partition) if turn % 2 == 0 else controller(pipeline)
            (brokers.stop if turn // 2 % 2 == turn % 2 else brokers.kill)(node)
            goes_on(pipeline, f"it works without broker {node}")
            brokers.start([node])
    judge(pipeline, keeper, BOUNCES, record_property)
    tell(f"{BOUNCES} brokers bounced, {len(keeper.codes)} workers stopped themselves")


def test_two_brokers_down_ack_nothing_and_lose_nothing(
    pipeline: Pipeline, brokers: Brokers, record_property: Callable[[str, object], None]
) -> None:
    """One down: it goes on. Two down: no producer gets an ack. All up: it goes on by itself, and all is there."""
    with load(pipeline) as keeper:
        goes_on(pipeline, "the pipeline works")
        first, second = leader(pipeline, "events.a", 0), controller(pipeline)
        second = second if second != first else first % 3 + 1
        brokers.kill(first)
        goes_on(pipeline, "it works without one")
        brokers.kill(second)
        nothing_is_acked(pipeline)
        brokers.start((first, second))
        goes_on(pipeline, "it works again")
    judge(pipeline, keeper, 2, record_property)


def nothing_is_acked(pipeline: Pipeline) -> None:
    """A producer that is willing to wait a little gets no ack in any partition."""
    publisher = Publisher(pipeline.servers, **{"message.timeout.ms": 3000, "log_level": 0})
    acks = [publisher.submit(f"{pipeline.prefix}ingest", b"k", b"%016d" % n, partition=n) for n in range(4)]
    for ack in acks:
        with pytest.raises(PublishFailed):
            ack.result(timeout=30)
    publisher.close()
