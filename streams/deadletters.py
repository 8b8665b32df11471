"""Dead letters: the original record with headers that say where it was and why; markers say what was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, get_args

PREFIX: Final = "lockstep-"
#: The last header of a dead letter that was put into `ingest` again: the place there at which it lay before.
FIRST: Final = PREFIX + "first"
_TOPIC_ID: Final = PREFIX + "topic-id"
_DONE: Final = PREFIX + "done"
_ACTION: Final = PREFIX + "action"
_PLACED: Final = PREFIX + "placed"
Headers = Sequence[tuple[str, bytes]]
Action = Literal["replayed", "discarded"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)


class Origin(NamedTuple):
    """Where a dead letter lay, and why it is one. `topic_id` is that of the envelopes; a topic may be made anew."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    topic_id: bytes = b""

    @property
    def identity(self) -> Identity:
        """What all copies of a dead letter share; a worker that starts again may write one."""
        return Identity(self.topic_id, self.partition, self.offset)


class Identity(NamedTuple):
    """The record that became a dead letter."""

    topic_id: bytes
    partition: int
    offset: int


class Done(NamedTuple):
    """What was done to a dead letter; `placed`: where in `ingest` it lies now, `3:17`."""

    letter: Identity
    action: Action
    placed: str = ""


def dead_letter(origin: Origin, headers: Headers) -> list[tuple[str, bytes]]:
    """Headers of the dead letter of a record with `headers`; key and value are the record's own."""
    return [
        *headers,
        (PREFIX + "topic", origin.topic.encode()),
        (PREFIX + "partition", b"%d" % origin.partition),
        (PREFIX + "offset", b"%d" % origin.offset),
        (_TOPIC_ID, origin.topic_id.hex().encode()),
        (PREFIX + "reason", origin.reason.encode()),
        (PREFIX + "detail", origin.detail.encode(errors="replace")),
    ]


def read_dead_letter(headers: Headers) -> Origin:
    """Where a dead letter lay and why. Raises KeyError for a record that is none, ValueError for one that is broken."""
    own = _own(headers)
    place = own["topic"], int(own["partition"]), int(own["offset"])
    return Origin(*place, own["reason"], own["detail"], bytes.fromhex(own.get("topic-id", "")))


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


def done(what: Done) -> list[tuple[str, bytes]]:
    """Headers of a marker, which goes into the partition of the dead letter."""
    topic_id, partition, offset = what.letter
    headers = [
        (_DONE, b"%d:%d" % (partition, offset)),
        (_TOPIC_ID, topic_id.hex().encode()),
        (_ACTION, what.action.encode()),
    ]
    return [*headers, (_PLACED, what.placed.encode())] if what.placed else headers


def read_done(headers: Headers) -> Done | None:
    """What a marker says; None for a record that is none: a dead letter may hold any header of its producer."""
    own = _own(headers)
    place = _numbers(own.get("done", "").encode())
    action = next((action for action in ACTIONS if action == own.get("action")), None)
    if "reason" in own or place is None or action is None:
        return None
    try:
        topic_id = bytes.fromhex(own.get("topic-id", ""))
    except ValueError:
        return None
    return Done(Identity(topic_id, *place), action, own.get("placed", ""))


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
