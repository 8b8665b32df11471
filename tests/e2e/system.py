"""A running lockstep, as its tests see it: members to start and kill, topics to read, tokens to be a device with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

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

    def read(
        self, name: str, since: dict[int, int] | None = None
    ) -> Iterator[tuple[int, int, bytes | None, list[tuple[str, bytes]]]]:
        """Records of a topic up to its end of now: partition, offset, value, headers.

        `since` says for each partition at which offset to begin, and afterwards where this ended.
        """
        ends = {} if since is None else since
        consumer = Consumer({
            "bootstrap.servers": self.kafka, "group.id": "reader", "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        })  # fmt: skip
        try:
            partitions = consumer.list_topics(self.topic(name), timeout=10).topics[self.topic(name)].partitions
            for partition in partitions:
                for record in _read_partition(consumer, self.topic(name), partition, ends.get(partition, 0)):
                    ends[partition] = record[1] + 1
                    yield record
        finally:
            consumer.close()

    def outcomes(self, since: dict[int, int] | None = None) -> Iterator[Outcome]:
        """All outcomes so far; see `read`."""
        for _, _, value, _ in self.read("outcomes", since):
            yield from decode_outcomes(value or b"").outcomes


def _read_partition(
    consumer: Consumer, topic: str, partition: int, start: int
) -> Iterator[tuple[int, int, bytes | None, list[tuple[str, bytes]]]]:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    if max(low, start) >= high:
        return
    consumer.assign([TopicPartition(topic, partition, max(low, start))])
    while True:
        for message in consumer.consume(5000, 1.0):
            if message.error() is not None:
                raise RuntimeError(message.error().str())
            headers = [(name, value or b"") for name, value in message.headers() or []]
            yield partition, message.offset(), message.value(), headers
            if message.offset() + 1 >= high:
                return
