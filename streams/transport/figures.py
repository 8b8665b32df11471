"""What a running app is doing, for metrics and liveness, safe to ask from any thread."""

from __future__ import annotations

import time
from typing import Any, TypedDict

from streams.logtime import UNKNOWN
from streams.transport.batch import Partition


class PartitionStats(TypedDict):
    """Offsets of one input partition; -1 where unknown."""

    committed: int
    watermark: int  # that belongs to the committed offset
    position: int  # next offset to hand out
    highwater: int  # offset after the partition's last record
    in_flight: int  # batches handed out and not finished
    stopped: str | None  # why a handler will not go on with it


class TransportStats(TypedDict):
    """All of an app."""

    partitions: dict[Partition, PartitionStats]  # assigned ones
    gaps: int
    clock: int  # the latest log time of any partition, ms; -1 where no record was met
    recovered: bool  # tables are whole and records flow
    since_commit: float  # seconds since a commit last succeeded, or there was nothing to commit, or since the start
    failure: str | None


def stats(app: Any) -> TransportStats:
    """A snapshot of plain values. Before the app starts: no partitions, not recovered."""
    failure = app.transport.failure
    found: TransportStats = {
        "partitions": {},
        "gaps": 0,
        "clock": UNKNOWN,
        "recovered": False,
        "since_commit": 0.0,
        "failure": None if failure is None else repr(failure),
    }
    consumer = app._consumer
    if consumer is not None:
        found["partitions"] = {(tp[0], tp[1]): partition_stats(consumer, tp) for tp in consumer.sources()}
        found["gaps"] = consumer.ledger.gaps
        found["clock"] = max((consumer.ledger.clocks.get(tp, UNKNOWN) for tp in found["partitions"]), default=UNKNOWN)
        found["recovered"] = bool(found["partitions"]) and consumer.flow_active and not app.rebalancing
        found["since_commit"] = time.monotonic() - consumer.progress
    return found


def partition_stats(consumer: Any, source: Partition) -> PartitionStats:
    """Where one of its partitions is."""
    ledger = consumer.ledger
    committed = ledger.committed.get(source)
    end = consumer.end_of(source)
    return {
        "committed": -1 if committed is None else committed.offset,
        "watermark": -1 if committed is None else committed.taken,
        "position": ledger.position.get(source, -1),
        "highwater": -1 if end is None else end,
        "in_flight": ledger.in_flight(source),
        "stopped": ledger.stopped.get(source),
    }
