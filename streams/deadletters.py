"""Dead letters: the original record with headers that say where it was and why; markers say what was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, get_args

PREFIX: Final = "lockstep-"
#: The last header of a dead letter that was put into `ingest` again: the place there at which it lay before.
FIRST: Final = PREFIX + "first"
_DONE: Final = PREFIX + "done"
_ACTION: Final = PREFIX + "action"
_PLACED: Final = PREFIX + "placed"
Headers = Sequence[tuple[str, bytes]]
Action = Literal["replayed", "discarded"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)


class Origin(NamedTuple):
    """Where a dead letter lay, and why it is one."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str


class Done(NamedTuple):
    """What was done to the dead letter at an offset of the same partition; `placed`: where in `ingest` it lies now."""

    offset: int
    action: Action
    placed: str


def dead_letter(origin: Origin, headers: Headers) -> list[tuple[str, bytes]]:
    """Headers of the dead letter of a record with `headers`; key and value are the record's own."""
    return [
        *headers,
        (PREFIX + "topic", origin.topic.encode()),
        (PREFIX + "partition", b"%d" % origin.partition),
        (PREFIX + "offset", b"%d" % origin.offset),
        (PREFIX + "reason", origin.reason.encode()),
        (PREFIX + "detail", origin.detail.encode(errors="replace")),
    ]


def read_dead_letter(headers: Headers) -> Origin:
    """Where a dead letter lay and why. Raises KeyError for a record that is none, ValueError for one that is broken."""
    own = _own(headers)
    return Origin(own["topic"], int(own["partition"]), int(own["offset"]), own["reason"], own["detail"])


def replay(origin: Origin, headers: Headers) -> list[tuple[str, bytes]]:
    """Headers with which a dead letter goes into `ingest` again: the producer's, and the place at which it lay.

    The place is that of the record which became this dead letter: the one that the dedup may know.
    """
    kept = [(name, value) for name, value in headers if not name.startswith(PREFIX)]
    return [*kept, (FIRST, b"%d:%d" % (origin.partition, origin.offset))]


def first_of(headers: Headers, partition: int) -> int:
    """The offset in this partition at which a replayed dead letter lay before; -1 for every other record."""
    if not headers or headers[-1][0] != FIRST:
        return -1
    place = _numbers(headers[-1][1])
    return place[1] if place is not None and place[0] == partition else -1


def done(partition: int, what: Done) -> list[tuple[str, bytes]]:
    """Headers of the marker of a dead letter in this partition of `dead-letters`."""
    headers = [(_DONE, b"%d:%d" % (partition, what.offset)), (_ACTION, what.action.encode())]
    return [*headers, (_PLACED, what.placed.encode())] if what.placed else headers


def read_done(headers: Headers, partition: int) -> Done | None:
    """What a marker says; None for a record that is none: a dead letter may hold any header of its producer."""
    own = _own(headers)
    place = _numbers(own.get("done", "").encode())
    if "reason" in own or place is None or place[0] != partition:
        return None
    action = next((action for action in ACTIONS if action == own.get("action")), None)
    return None if action is None else Done(place[1], action, own.get("placed", ""))


def _own(headers: Headers) -> dict[str, str]:
    """Our headers, the last of each name: a producer's come before."""
    return {
        name[len(PREFIX) :]: (value or b"").decode(errors="replace")
        for name, value in headers
        if name.startswith(PREFIX)
    }


def _numbers(text: bytes) -> tuple[int, int] | None:
    """The two numbers of `3:17`, None where it is no such thing."""
    first, _, second = (text or b"").partition(b":")
    digits = first.isdigit() and second.isdigit() and len(text) < 30
    return (int(first), int(second)) if digits else None
