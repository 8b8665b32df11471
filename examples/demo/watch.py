"""Follows the topic `outcomes` and tells what became of each event of the demo."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field

from streams.outcomes import EVENT_LEVEL, RANGES, Outcome, decode_outcomes
from streams.settings import Kafka
from streams.transport.client import follow, watermarks


@dataclass
class Fate:
    """What is known of one event: its event-level outcome, and where its notification stands for each device."""

    event: Outcome | None = None
    stored: tuple[str, ...] = ()
    pushed: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)


class Watch:
    """Reads `outcomes` in a thread of its own, from its end on."""

    def __init__(self, kafka: Kafka, topic: str, partitions: int) -> None:
        self._lock = threading.Lock()
        self._fates: dict[tuple[str, int], Fate] = defaultdict(Fate)
        self._ranges: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        self._stopped = threading.Event()
        ends = watermarks(kafka.servers, topic, range(partitions))
        self._records = follow(kafka.servers, topic, {p: end for p, (_, end) in ends.items()}, 0.2)
        self._thread = threading.Thread(target=self._read, name="outcomes")
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stopped.set()
        self._thread.join()

    def fate(self, account: str, seq: int) -> Fate:
        """What is known of an event now."""
        with self._lock:
            found = self._fates[account, seq]
            return Fate(found.event, found.stored, set(found.pushed), set(found.accepted))

    def has(self, account: str, device: str, lane: int, seq: int) -> bool:
        """Whether the device said that it has the event."""
        with self._lock:
            return any(o.lane == lane and o.since < seq <= o.seq for o in self._ranges[account, device])

    def _read(self) -> None:
        for found in self._records:
            if self._stopped.is_set():
                break
            if found is not None:
                batch = decode_outcomes(found[1].value or b"")
                with self._lock:
                    for outcome in batch.outcomes:
                        self._take(outcome)
        self._records.close()

    def _take(self, outcome: Outcome) -> None:
        if outcome.kind in RANGES:
            for device in outcome.devices:
                self._ranges[outcome.account, device].append(outcome)
            return
        fate = self._fates[outcome.account, outcome.seq]
        if outcome.kind in EVENT_LEVEL:
            fate.event = outcome
        elif outcome.kind == "stored":
            fate.stored = outcome.devices
        elif outcome.kind == "pushed":
            fate.pushed |= set(outcome.devices)
        elif outcome.kind == "accepted":
            fate.accepted |= set(outcome.devices)
