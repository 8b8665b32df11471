"""A running lockstep, as its tests see it: members to start and kill, topics to read, tokens to be a device with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from deploy.local.pipeline import Member, Pipeline
from streams.outcomes import Outcome, decode_outcomes
from streams.transport.client import Publisher

WORKERS = ("router", "critical", "high", "normal", "low")


@dataclass
class System:
    """Everything has the prefix of its test."""

    pipeline: Pipeline
    kafka: str
    prefix: str
    url: str
    #: Puts records that come one right after the other into one batch.
    publisher: Publisher

    def prepare(self) -> None:
        """Make topics, schema and keys."""
        self.pipeline.command("topics", "apply")
        self.pipeline.command("schema", "apply")
        self.token("nobody", "nothing", "tv")

    def start(self) -> dict[str, Member]:
        """Start every worker and the edge, and wait until all are ready."""
        members = {name: self.pipeline.worker(name) for name in WORKERS}
        members["edge"] = self.pipeline.edge()
        self.pipeline.wait_ready(list(members.values()))
        return members

    def token(self, account: str, device: str, type_: str) -> str:
        """A device token."""
        return self.pipeline.command("token", device, "--account", account, "--type", type_).strip()

    def environment(self) -> dict[str, str]:
        """The environment of a command."""
        return {**os.environ, **self.pipeline.environment}

    def topic(self, name: str) -> str:
        """A topic's full name."""
        return self.prefix + name

    def read(self, name: str) -> Iterator[tuple[int, int, bytes | None, list[tuple[str, bytes]]]]:
        """All records of a topic up to its end of now: partition, offset, value, headers."""
        consumer = Consumer({
            "bootstrap.servers": self.kafka, "group.id": "reader", "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        })  # fmt: skip
        try:
            partitions = consumer.list_topics(self.topic(name), timeout=10).topics[self.topic(name)].partitions
            for partition in partitions:
                yield from _read_partition(consumer, self.topic(name), partition)
        finally:
            consumer.close()

    def outcomes(self) -> list[Outcome]:
        """All outcomes so far."""
        return [o for _, _, value, _ in self.read("outcomes") for o in decode_outcomes(value or b"").outcomes]


def _read_partition(
    consumer: Consumer, topic: str, partition: int
) -> Iterator[tuple[int, int, bytes | None, list[tuple[str, bytes]]]]:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    if low == high:
        return
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
    while True:
        for message in consumer.consume(5000, 1.0):
            if message.error() is not None:
                raise RuntimeError(message.error().str())
            headers = [(name, value or b"") for name, value in message.headers() or []]
            yield partition, message.offset(), message.value(), headers
            if message.offset() + 1 >= high:
                return
