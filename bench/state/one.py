"""One table at one size, in a process of its own: cost of judging, memory, rows, and reading them again."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import confluent_kafka
import numpy as np
import psutil

from bench.state.keys import BATCH, PARTITIONS, WINDOW_MS, Load, partition_of
from streams.state import State
from streams.transport.client import reader

REPEATED: Final = BATCH // 10
#: Of a large table the first are of memory that a host of virtual machines has to look up anew.
SAMPLES: Final = 9
WARM: Final = 50_000
#: Rows that a worker reads at once in recovery.
ROWS: Final = 1000


class Bench:
    """Judges, and counts time, rows and wrong answers."""

    def __init__(self, load: Load, servers: str, topic: str) -> None:
        self.load = load
        self.states = load.states()
        self.wrong = 0
        self.row_bytes = 0
        self._topic = topic
        self._producer: Any = confluent_kafka.Producer({
            "bootstrap.servers": servers, "enable.idempotence": True, "acks": "all", "linger.ms": 5,
            "compression.type": "lz4", "queue.buffering.max.kbytes": 16_384, "log_level": 3,
        })  # fmt: skip

    def judge(self, numbers: Sequence[int], repeated: Sequence[int] = (), write: bool = True) -> int:
        """CPU ns that a batch takes; its rows are put into the changelog."""
        entries = self.load.entries(numbers, repeated)
        state = self.states[partition_of(numbers[0])]
        began = time.process_time_ns()
        verdicts, rows = state.judge(entries)
        spent = time.process_time_ns() - began
        expected = self.load.expected(numbers, repeated)
        self.wrong += sum(verdict != meant for verdict, meant in zip(verdicts, expected, strict=True))
        for key, value in rows if write else ():
            self.row_bytes += len(key) + len(value)
            self._put(state.partition, key, value)
        return spent

    def _put(self, partition: int, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, partition)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def flush(self) -> None:
        """Have all rows on the broker."""
        if self._producer.flush(120):
            raise RuntimeError(f"{self._topic}: not all rows are on the broker")


def batches(start: int, end: int) -> Iterator[range]:
    """Numbers from `start` on, in batches."""
    return (range(at, min(at + BATCH, end)) for at in range(start, end, BATCH))


def sample(bench: Bench, start: int, batches_: int, chance: np.random.Generator) -> float:
    """CPU ns an operation at the full size: new keys, and one in ten that is known."""
    spent = 0
    for numbers in batches(start, start + batches_ * BATCH):
        turns = bench.load.keys // (BATCH * PARTITIONS)
        turn, place = chance.integers(turns, size=REPEATED), chance.integers(BATCH, size=REPEATED)
        known = (turn * PARTITIONS + partition_of(numbers[0])) * BATCH + place
        spent += bench.judge(numbers, sorted({int(number) for number in known}), write=False)
    return spent / (batches_ * (BATCH + REPEATED))


def recover(bench: Bench, servers: str, topic: str) -> tuple[list[State[Any, Any]], float]:
    """The states as the changelog gives them, and the CPU seconds that took, the reading of the topic left out."""
    states, spent = bench.load.states(), 0.0
    with reader(servers) as source:
        for state in states:
            rows: list[tuple[bytes | None, bytes | None]] = []
            for record in source.read(topic, state.partition, 0):
                rows.append((record.key, record.value))
                if len(rows) == ROWS:
                    spent += _apply(state, rows)
            spent += _apply(state, rows)
    return states, spent


def _apply(state: State[Any, Any], rows: list[tuple[bytes | None, bytes | None]]) -> float:
    began = time.process_time()
    for key, value in rows:
        state.read(key, value)
    state.settle()
    rows.clear()
    return time.process_time() - began


def _warm_up(load: Load, servers: str, topic: str) -> None:
    """Have everything in memory that is there at any size."""
    bench = Bench(load._replace(keys=WARM), servers, topic)
    for numbers in batches(0, WARM):
        bench.judge(numbers, write=False)


def measure(load: Load, servers: str, topic: str) -> dict[str, float]:
    """All numbers of one size."""
    bench, chance = Bench(load, servers, topic), np.random.default_rng(7)
    _warm_up(load, servers, topic)
    process = psutil.Process()
    before = process.memory_info().rss
    spent = sum(bench.judge(numbers) for numbers in batches(0, load.keys))
    bench.flush()
    memory = process.memory_info().rss - before
    held = sum(state.nbytes for state in bench.states)
    many = max(1, min(100_000, load.keys // 10) // BATCH)
    costs = [sample(bench, load.keys + at * many * BATCH, many, chance) for at in range(SAMPLES)]
    bench.states, seconds = recover(bench, servers, topic)
    lost = load.keys - sum(len(state) for state in bench.states)
    sample(bench, load.keys, many, chance)  # the recovered state answers as the one before
    return {
        "keys": load.keys,
        "new_ns": round(spent / load.keys),
        "mixed_ns": round(statistics.median(costs)),
        "held_bytes_per_key": round(held / load.keys, 1),
        "resident_bytes_per_key": round(memory / load.keys, 1),
        "changelog_bytes_per_key": round(bench.row_bytes / load.keys, 1),
        "apply_s_per_million": round(seconds / load.keys * 1e6, 3),
        "wrong": bench.wrong + lost,
    }


if __name__ == "__main__":
    table, keys, servers, topic = sys.argv[1:]
    start = int(time.time() * 1000) // WINDOW_MS * WINDOW_MS
    print(json.dumps(measure(Load(table, int(keys), start), servers, topic)))
