"""A load of numbered events and the oracle that knows what must become of each."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from confluent_kafka import Message, Producer

from streams.envelope import position
from streams.outcomes import DEVICE_LEVEL, Outcome
from tests.e2e.pace import Pace

Class = Literal["good", "duplicate", "stale"]
TYPES = ("member.viewing.updated", "member.plan.changed", "member.profile.maturity-changed", "member.home.refreshed")
LANE_OF = {"member.viewing.updated": 2, "member.plan.changed": 1, "member.profile.maturity-changed": 0,
           "member.home.refreshed": 3}  # fmt: skip
#: Of 50 events one repeats the id of the account's event before it, and one is two hours old.
_CYCLE = 50


@dataclass(frozen=True)
class Planned:
    """Event number `number`: its class and, for a duplicate, whose id it repeats."""

    number: int
    account: str
    type: str
    kind: Class
    id: str


def plan(number: int, accounts: int) -> Planned:
    """What event number `number` is; a pure function, so that nothing has to be stored."""
    account = number % accounts
    turn = number // accounts
    kind: Class = "good"
    if turn and (turn * 7 + account) % _CYCLE == 7:
        kind = "duplicate"
    elif turn and (turn * 7 + account) % _CYCLE == 21:
        kind = "stale"
    original = number if kind != "duplicate" else number - accounts
    return Planned(number, f"account-{account}", TYPES[(original // accounts) % len(TYPES)], kind, f"e{original}")


def value_of(event: Planned, now: float) -> bytes:
    """The structured CloudEvent of a planned event."""
    at = now - 7200 if event.kind == "stale" else now
    type_ = "member.viewing.updated" if event.kind == "stale" else event.type
    return json.dumps({
        "specversion": "1.0", "id": event.id, "source": "/load", "type": type_, "subject": event.account,
        "time": datetime.fromtimestamp(at, UTC).isoformat(), "datacontenttype": "application/json",
        "data": {"number": int(event.id[1:])},
    }).encode()  # fmt: skip


@dataclass
class Published:
    """Where each event that the broker acked lies: number to (partition, offset)."""

    at: dict[int, tuple[int, int]] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)


def publish(servers: str, topic: str, numbers: range, accounts: int, pace: Pace) -> Published:
    """Publish the events of `numbers` at the pace given, and wait for all acks."""
    done = Published()
    producer = Producer({
        "bootstrap.servers": servers, "partitioner": "murmur2_random", "enable.idempotence": True, "acks": "all",
        "linger.ms": 5, "compression.type": "lz4",
    })  # fmt: skip
    for number in numbers:
        event = plan(number, accounts)

        def acked(error: object, message: Message, number: int = number) -> None:
            if error is None:
                done.at[number] = (message.partition(), message.offset())
            else:
                done.failed.append(number)

        headers = [("content-type", b"application/cloudevents+json")]
        producer.produce(
            topic, value_of(event, time.time()), event.account.encode(), headers=headers, on_delivery=acked
        )
        producer.poll(0)
        pace.wait(number - numbers.start)
    producer.flush()
    return done


@dataclass
class Verdict:
    """What the oracle found; empty lists where all is well."""

    events: int = 0
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    without_outcome: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.unexpected or self.twice or self.without_outcome)

    def __str__(self) -> str:
        shown = {name: (len(found), found[:5]) for name, found in vars(self).items() if isinstance(found, list)}
        return f"{self.events} events: {shown}"


def judge_visible(
    verdict: Verdict, published: Published, accounts: int, device: str, seen: dict[str, list[str]]
) -> None:
    """Each good event of an account must be visible once at its `device`; `seen`: account to event ids, in order."""
    wanted: dict[str, set[str]] = {}
    for number in published.at:
        event = plan(number, accounts)
        if event.kind == "good":
            wanted.setdefault(event.account, set()).add(event.id)
    for account in wanted.keys() | seen.keys():
        counts = Counter(seen.get(account, []))
        expected = wanted.get(account, set())
        verdict.lost += [f"{account}/{device}: {id_}" for id_ in expected - counts.keys()]
        verdict.unexpected += [f"{account}/{device}: {id_}" for id_ in counts.keys() - expected]
        verdict.twice += [f"{account}/{device}: {id_}" for id_, times in counts.items() if times > 1]


def judge_outcomes(
    verdict: Verdict, published: Published, accounts: int, devices: Iterable[str], outcomes: Iterable[Outcome]
) -> None:
    """Every acked event must have its event-level outcome, or a device-level one for each targeted device.

    One that was merged has that of the notification it became part of.
    """
    single: dict[tuple[str, int], set[str]] = {}
    into: dict[tuple[str, int], int] = {}
    ranges: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
    for outcome in outcomes:
        if outcome.kind in DEVICE_LEVEL:
            for device in outcome.devices:
                ranges.setdefault((outcome.account, device, outcome.lane), []).append((outcome.since, outcome.seq))
        else:
            single.setdefault((outcome.account, outcome.seq), set()).add(outcome.kind)
            if outcome.kind == "merged":
                into[outcome.account, outcome.seq] = position(1, int(outcome.detail.rpartition(":")[2]))
    covered = {key: list(_merged(spans)) for key, spans in ranges.items()}
    for number, (_, offset) in published.at.items():
        event, seq = plan(number, accounts), position(1, offset)
        if event.kind != "good":
            if event.kind not in single.get((event.account, seq), set()):
                verdict.without_outcome.append(f"{event.account}: {event.kind} {event.id} at {offset}")
            continue
        seq = into.get((event.account, seq), seq)
        for device in devices:
            spans = covered.get((event.account, device, LANE_OF[event.type]), [])
            if not any(low < seq <= high for low, high in spans):
                verdict.without_outcome.append(f"{event.account}/{device}: {event.id} at {offset}")


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges (low, high] that touch or overlap, joined."""
    low, high = -2, -2
    for since, until in sorted(spans):
        if since > high:
            if high > low:
                yield low, high
            low, high = since, until
        else:
            high = max(high, until)
    if high > low:
        yield low, high
