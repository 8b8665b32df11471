"""Fills `ingest` and `outcomes` with what events leave behind that were each delivered to one television."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

import confluent_kafka

from streams.envelope import position
from streams.murmur2 import partition_for
from streams.outcomes import Outcome, encode_outcomes
from streams.settings import Settings

PARTITIONS: Final = 8
#: Outcomes of each event, by the stage that says it.
STAGES: Final = ("store", "push", "edge")
PACKED: Final = 200  # outcomes in a record
NORMAL: Final = 2
_HEADERS: Final = [("content-type", b"application/cloudevents+json")]
_FORM: Final = (
    b'{"specversion":"1.0","id":"%b","source":"/bench","type":"member.viewing.updated","subject":"%b","time":"%b",'
    b'"data":{"title":%d,"position_s":1312}}'
)


def account_of(number: int) -> str:
    """The account of a number, which has one device."""
    return f"account-{number}"


def device_of(account: str) -> str:
    """The television of an account; no other has one of this id."""
    return f"tv-of-{account}"


def event_of(number: int) -> str:
    """The id of the event of a number."""
    return f"event-{number:x}"


class Partition:
    """What is written to one partition of both topics."""

    def __init__(self, settings: Settings, number: int, producer: Any) -> None:
        self.next = 0  # offset in ingest
        self._prefix = settings.topic_prefix
        self._number = number
        self._producer = producer
        self._said: dict[str, list[Outcome]] = {stage: [] for stage in STAGES}
        self._acked: dict[str, int] = {}

    def event(self, id_: str, account: str, now: str) -> None:
        """One event that is delivered."""
        seq, key, devices = position(1, self.next), account.encode(), (device_of(account),)
        self._put("ingest", key, _FORM % (id_.encode(), key, now.encode(), self.next), _HEADERS)
        detail = f"socket: {devices[0]} (gateway 1 since 1)"
        self._said["store"].append(Outcome("stored", account, seq, devices, detail, lane=NORMAL))
        self._said["push"].append(Outcome("pushed", account, seq, devices, lane=NORMAL))
        since = self._acked.get(account, -1)
        self._said["edge"].append(Outcome("acked", account, seq, devices, since=since, lane=NORMAL))
        self._acked[account] = seq
        self.next += 1
        if len(self._said["store"]) == PACKED:
            self.report()

    def report(self) -> None:
        """Put the outcomes."""
        for stage, said in self._said.items():
            if said:
                self._put("outcomes", said[0].account.encode(), encode_outcomes(stage, int(time.time() * 1000), said))
            said.clear()

    def _put(self, topic: str, key: bytes, value: bytes, headers: Any = None) -> None:
        while True:
            try:
                self._producer.produce(self._prefix + topic, value, key, self._number, headers=headers)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return


def fill(settings: Settings, events: int, accounts: int) -> list[int]:
    """Publish so many events of so many accounts, turn and turn about; how many lie in each partition."""
    producer = confluent_kafka.Producer({
        "bootstrap.servers": settings.kafka.servers, "enable.idempotence": True, "acks": "all", "linger.ms": 50,
        "compression.type": "lz4", "queue.buffering.max.messages": 500_000, "batch.size": 1 << 20,
    })  # fmt: skip
    partitions = [Partition(settings, number, producer) for number in range(PARTITIONS)]
    names = [account_of(number) for number in range(accounts)]
    homes = [partitions[partition_for(name.encode(), PARTITIONS)] for name in names]
    now = ""
    for number in range(events):
        if not number % 1000:
            now = datetime.now(UTC).isoformat()
            producer.poll(0)
        homes[number % accounts].event(event_of(number), names[number % accounts], now)
    for partition in partitions:
        partition.report()
    if producer.flush(600):
        raise RuntimeError("Kafka did not take everything")
    return [partition.next for partition in partitions]
