"""The job on Quix Streams: a stateful function over RocksDB, whose changelog makes the state recoverable."""

from __future__ import annotations

from typing import Any

from quixstreams import Application
from quixstreams.models import Serializer

from bench.peers.job import decode, read_job


class Payload(Serializer):
    """Writes an event that is routed as the bytes that came."""

    def __call__(self, value: tuple[int, bytes], ctx: Any) -> bytes:
        """The bytes."""
        return value[1]


job = read_job()
app = Application(
    broker_address=job.servers,
    consumer_group=job.group,
    state_dir=job.state,
    auto_offset_reset="earliest",
    processing_guarantee="at-least-once",
    commit_interval=1.0,
    use_changelog_topics=True,
    loglevel="WARNING",
    producer_extra_config={
        "acks": "all", "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4",
        "queue.buffering.max.messages": 500_000,
    },
)  # fmt: skip
lanes = [app.topic(name, key_serializer="bytes", value_serializer=Payload()) for name in job.lanes]


def judge(value: bytes, key: Any, timestamp: int, headers: Any, state: Any) -> tuple[int, bytes] | None:
    """The lane of an event, and its bytes; None for one that is dropped."""
    event = decode(value)
    lane, max_age = job.rules[event.type]
    if timestamp - event.time.timestamp() * 1000 > max_age or state.get(event.id) is not None:
        return None
    state.set(event.id, 1)
    return lane, value


def main() -> None:
    """Route until stopped."""
    ingest = app.topic(job.ingest, key_deserializer="bytes", value_deserializer="bytes")
    routed = app.dataframe(ingest).apply(judge, stateful=True, metadata=True).filter(lambda event: event is not None)
    routed.to_topic(lambda event, key, timestamp, headers: lanes[event[0]])
    app.run()


if __name__ == "__main__":
    main()
