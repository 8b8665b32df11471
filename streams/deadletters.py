"""Dead letters: the original record with headers that say where it was and why it was refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PREFIX = "lockstep-"


class Origin(NamedTuple):
    """Where a dead letter lay, and why it is one."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str


def dead_letter(origin: Origin, headers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Headers of the dead letter of a record with `headers`; key and value are the record's own."""
    return [
        *headers,
        (PREFIX + "topic", origin.topic.encode()),
        (PREFIX + "partition", b"%d" % origin.partition),
        (PREFIX + "offset", b"%d" % origin.offset),
        (PREFIX + "reason", origin.reason.encode()),
        (PREFIX + "detail", origin.detail.encode(errors="replace")),
    ]


def read_dead_letter(headers: Sequence[tuple[str, bytes]]) -> Origin:
    """Where a dead letter lay and why. Raises KeyError for a record that is none."""
    own = {name[len(PREFIX) :]: value.decode() for name, value in headers if name.startswith(PREFIX)}
    return Origin(own["topic"], int(own["partition"]), int(own["offset"]), own["reason"], own["detail"])
