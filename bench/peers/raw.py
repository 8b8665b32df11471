"""The job in a plain loop over confluent-kafka: no framework, and a set that dies with the process."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import confluent_kafka

from bench.peers.job import decode, read_job


def main() -> None:
    """Route until killed; commit each second, after a flush."""
    job = read_job()
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": job.servers, "group.id": job.group, "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })  # fmt: skip
    producer = confluent_kafka.Producer({
        "bootstrap.servers": job.servers, "enable.idempotence": True, "acks": "all", "linger.ms": 20,
        "compression.type": "lz4", "partitioner": "murmur2_random", "queue.buffering.max.messages": 500_000,
        "delivery.report.only.error": True,
    })  # fmt: skip
    consumer.subscribe([job.ingest])
    rules = {name: (job.lanes[lane], max_age) for name, (lane, max_age) in job.rules.items()}
    seen: set[str] = set()
    failed: list[Any] = []
    committed = time.monotonic()
    while True:
        for message in consumer.consume(1000, 0.5):
            value = message.value()
            event = decode(value)
            topic, max_age = rules[event.type]
            if message.timestamp()[1] - event.time.timestamp() * 1000 > max_age or event.id in seen:
                continue
            seen.add(event.id)
            while True:
                try:
                    producer.produce(topic, value, message.key(), on_delivery=lambda error, _: failed.append(error))
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.poll(0)
        if time.monotonic() - committed > 1:
            if producer.flush(30) or failed:
                raise SystemExit(f"not delivered: {failed[:1]}")
            with suppress(confluent_kafka.KafkaException):  # a coordinator that is still looked for has its turn later
                consumer.commit(asynchronous=False)
            committed = time.monotonic()


if __name__ == "__main__":
    main()
