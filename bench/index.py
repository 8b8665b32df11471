"""`python -m bench.index [KEYS ...]`: the state of `seen` alone: time per check, bytes per key, time to recover.

Verifies every answer before its time counts. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from streams.fingerprint import seen_fingerprint
from streams.rows import HEADER_BYTES
from streams.seen import NEW, REPLAY, SeenEntry, SeenState, SeenVerdict
from streams.state import Row

WINDOW_MS = 600_000
BATCH = 1000
START = 1_800_000_000_000
SINGLE = 5_000
ROWS_AT_ONCE = 1000
Result = dict[str, float | int]


def entries(keys: int, offset: int = 0) -> list[SeenEntry]:
    """Different ids, evenly over the window; `offset` moves their offsets, as a repeat does."""
    names = np.random.default_rng(7).bytes(12 * keys)
    return [
        SeenEntry(names[12 * i : 12 * i + 12], offset + i, i & 0xFFFF, START + i * (WINDOW_MS - 1) // keys)
        for i in range(keys)
    ]


def timed(judge: Callable[[Sequence[SeenEntry]], object], all_entries: Sequence[SeenEntry], size: int) -> float:
    """CPU ns an entry, in batches of `size`."""
    began = time.process_time_ns()
    for start in range(0, len(all_entries), size):
        judge(all_entries[start : start + size])
    return (time.process_time_ns() - began) / len(all_entries)


class Judge:
    """A state whose verdicts are counted and whose rows are kept."""

    def __init__(self) -> None:
        self.state = SeenState(0, WINDOW_MS)
        self.rows: list[Row] = []
        self.verdicts: list[SeenVerdict] = []

    def __call__(self, batch: Sequence[SeenEntry]) -> None:
        """Judge a batch."""
        verdicts, rows = self.state.judge(batch)
        self.verdicts += verdicts
        self.rows += rows

    def take(self) -> list[SeenVerdict]:
        """The verdicts since the last time."""
        taken, self.verdicts = self.verdicts, []
        return taken


def measure(keys: int) -> Result:
    """All numbers for a state of so many keys."""
    judge = Judge()
    known = entries(keys)
    new = timed(judge, known, BATCH)
    assert judge.take() == [NEW] * keys
    bytes_per_key = judge.state.nbytes / len(judge.state)
    recovered, seconds = recover(judge.rows)
    assert len(recovered.state) == keys
    some = known[:: max(1, keys // 100_000)]
    replay = timed(recovered, some, BATCH)
    assert recovered.take() == [REPLAY] * len(some)
    repeats = [entry._replace(offset=entry.offset + keys) for entry in some]
    duplicate = timed(recovered, repeats, BATCH)
    assert recovered.take() == [SeenVerdict(entry.offset) for entry in some]
    return {
        "keys": keys,
        "new_ns": round(new),
        "replay_ns": round(replay),
        "duplicate_ns": round(duplicate),
        **singly(recovered, keys, repeats),
        "bytes_per_key": round(bytes_per_key, 1),
        "row_bytes_per_key": round(sum(len(row.value) for row in judge.rows) / keys, 2),
        "recovery_s_per_million": round(seconds / keys * 1e6, 3),
    }


def singly(judge: Judge, keys: int, repeats: Sequence[SeenEntry]) -> Result:
    """ns of a batch of one: a new id, and a duplicate."""
    fresh = [
        SeenEntry(seen_fingerprint(b"bench", "account", "source", str(i)), 3 * keys + i, 0, START + WINDOW_MS - 1)
        for i in range(SINGLE)
    ]
    new = timed(judge, fresh, 1)
    assert judge.take() == [NEW] * SINGLE
    duplicate = timed(judge, repeats[:SINGLE], 1)
    assert all(verdict.first is not None for verdict in judge.take())
    return {"single_new_ns": round(new), "single_duplicate_ns": round(duplicate)}


def recover(rows: Sequence[Row]) -> tuple[Judge, float]:
    """A state read from rows, and the CPU seconds that it took."""
    assert all(len(row.value) > HEADER_BYTES for row in rows)
    judge = Judge()
    began = time.process_time()
    for start in range(0, len(rows), ROWS_AT_ONCE):
        for row in rows[start : start + ROWS_AT_ONCE]:
            judge.state.read(*row)
        judge.state.settle()
    return judge, time.process_time() - began


def main(arguments: Sequence[str]) -> None:
    """Measure at each size, and print a line for each and one for all."""
    results = []
    for keys in [int(float(text)) for text in arguments] or [100_000, 1_000_000, 10_000_000]:
        result = measure(keys)
        results.append(result)
        print(", ".join(f"{name} {value:,}" for name, value in result.items()), flush=True)
    print(json.dumps({"bench": "index", "batch": BATCH, "results": results}))


if __name__ == "__main__":
    main(sys.argv[1:])
