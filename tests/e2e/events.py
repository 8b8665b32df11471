"""Events to publish, and where to look for what became of them."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from streams.deadletters import Origin, read_dead_letter
from streams.envelope import position
from streams.outcomes import EVENT_LEVEL, Outcome, decode_outcomes
from streams.transport.client import Placed, RawRecord, partition_for, read_partition
from tests.e2e.household import until
from tests.e2e.system import System

PARTITIONS = 8
STRUCTURED: list[tuple[str, bytes]] = [("content-type", b"application/cloudevents+json")]


class Draft(NamedTuple):
    """A record to be published."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = STRUCTURED


class Said(NamedTuple):
    """An outcome and the stage that said it."""

    stage: str
    outcome: Outcome


def timestamp(ahead: float = 0) -> str:
    """RFC 3339, so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=ahead)).isoformat()


def event(account: str, type_: str = "member.list.changed", **more: object) -> dict[str, Any]:
    """The attributes and data of an event; an attribute that is None is left out."""
    attributes = {
        "specversion": "1.0", "id": uuid.uuid4().hex[:12], "source": f"/{account}", "type": type_, "subject": account,
        "time": timestamp(), "datacontenttype": "application/json", "data": {"n": 1}, **more,
    }  # fmt: skip
    return {name: value for name, value in attributes.items() if value is not None}


def draft(attributes: dict[str, Any]) -> Draft:
    """The record of an event in structured mode, keyed as it should be."""
    return Draft(attributes["subject"].encode(), json.dumps(attributes).encode())


def home_of(account: str) -> int:
    """The partition of an account."""
    return partition_for(account.encode(), PARTITIONS)


async def publish(system: System, partition: int, drafts: Sequence[Draft]) -> list[Placed]:
    """Publish in one batch."""
    topic = system.topic("ingest")
    placed = [system.publisher.submit(topic, key, value, headers, partition) for key, value, headers in drafts]
    return [await asyncio.wrap_future(each) for each in placed]


async def send(system: System, *attributes: dict[str, Any]) -> list[Placed]:
    """Publish events of one account."""
    return await publish(system, home_of(attributes[0]["subject"]), [draft(each) for each in attributes])


def said_of(system: System, place: Placed) -> list[Said]:
    """All that was said of one event, ranges of devices left out."""
    partition, offset = place
    seq = position(1, offset)
    batches = [decode_outcomes(record.value or b"") for record in records(system, "outcomes", partition)]
    said = [Said(batch.stage, outcome) for batch in batches for outcome in batch.outcomes]
    return [each for each in said if each.outcome.seq == seq and each.outcome.kind not in ("acked", "pulled")]


def letters_of(system: System, place: Placed) -> list[tuple[Origin, RawRecord]]:
    """The dead letters of one record of ingest."""
    partition, offset = place
    letters = [(read_dead_letter(record.headers), record) for record in records(system, "dead-letters", partition)]
    return [letter for letter in letters if letter[0].offset == offset]


def records(system: System, topic: str, partition: int) -> list[RawRecord]:
    """A partition of a topic, whole."""
    return list(read_partition(system.kafka, system.topic(topic), partition, 0))


async def terminal(system: System, place: Placed) -> Said:
    """The outcome at which an event ended, once it is there; it is the only one."""
    found: list[Said] = []

    async def has_ended() -> bool:
        found[:] = await asyncio.to_thread(said_of, system, place)
        return any(said.outcome.kind in EVENT_LEVEL for said in found)

    await until(has_ended, lambda: (place, found))
    assert len(found) == 1, found
    return found[0]
