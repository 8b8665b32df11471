"""The process that publishes a load: open loop, each event at its time whatever became of those before it.

Order: {servers, topic, load, rate, path}; `rate` in events a second, 0: as fast as they are taken. Answer, once all are
acked: {failed, seconds}; in the file `path` then lies for each event the moment at which it was due (monotonic, ns).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from confluent_kafka import Producer

from bench.plan import Load, account_name, value

HEADERS = [("content-type", b"application/cloudevents+json")]
_NAP = 0.002  # seconds, at least: what falls due meanwhile is published late, and its latency counts that


class Publisher:
    """Publishes loads through one producer."""

    def __init__(self, servers: str) -> None:
        self.failed = 0  # events that the broker did not take
        self._producer = Producer({
            "bootstrap.servers": servers, "partitioner": "murmur2_random", "enable.idempotence": True, "acks": "all",
            "linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,
        })  # fmt: skip

    def publish(self, topic: str, load: Load, rate: float) -> Any:
        """Publish all, wait for the acks; when each was due."""
        due = np.zeros(load.stop - load.start, np.int64)
        began = time.monotonic_ns()
        for place, planned in enumerate(load.events()):
            due[place] = began + int(place * 1e9 / rate) if rate else time.monotonic_ns()
            self._wait(int(due[place]))
            key = account_name(load.run, planned.account).encode()
            self._put(topic, value(planned, load.run, time.time()), key)
        assert self._producer.flush(120) == 0
        return due

    def _wait(self, due: int) -> None:
        while (ahead := (due - time.monotonic_ns()) / 1e9) > 0:
            self._producer.poll(0)
            time.sleep(max(ahead, _NAP))

    def _put(self, topic: str, event: bytes, key: bytes) -> None:
        while True:
            try:
                self._producer.produce(topic, event, key, headers=HEADERS, on_delivery=self._refused)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def _refused(self, error: object, _: object) -> None:
        self.failed += error is not None


def main() -> None:
    """Take orders until there are no more.

    A producer sends nothing before it has its id from the broker, half a second after it was made. So all loads with a
    rate share one, which has it; a load without a rate has one of its own, and its events are in the topic at once.
    """
    lasting: dict[str, Publisher] = {}
    for line in sys.stdin:
        order = json.loads(line)
        servers = order["servers"]
        publisher = lasting.get(servers) if order["rate"] else None
        publisher = publisher or Publisher(servers)
        if order["rate"]:
            lasting[servers] = publisher
        began = time.monotonic()
        due = publisher.publish(order["topic"], Load(*order["load"]), order["rate"])
        np.save(order["path"], due)
        print(json.dumps({"failed": publisher.failed, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main()
