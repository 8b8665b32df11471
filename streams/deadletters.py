"""Dead letters: the original record with headers that say where it was and why it was refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streams.outcomes import Reason
from streams.stage import Record

PREFIX = "lockstep-"


class Origin(NamedTuple):
    """Where a dead letter lay, and why it is one."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str


def dead_letter(topic: str, partition: int, record: Record, reason: Reason, detail: str) -> list[tuple[str, bytes]]:
    """Headers of the dead letter; key and value are the record's own, and so are the headers before these."""
    return [
        *((name, value) for name, value in record.headers),
        (PREFIX + "topic", topic.encode()),
        (PREFIX + "partition", b"%d" % partition),
        (PREFIX + "offset", b"%d" % record.offset),
        (PREFIX + "reason", reason.encode()),
        (PREFIX + "detail", detail.encode(errors="replace")),
    ]


def read_dead_letter(headers: Sequence[tuple[str, bytes]]) -> Origin:
    """Where a dead letter lay and why. Raises KeyError for a record that is none."""
    own = {name[len(PREFIX) :]: value.decode() for name, value in headers if name.startswith(PREFIX)}
    return Origin(own["topic"], int(own["partition"]), int(own["offset"]), own["reason"], own["detail"])
