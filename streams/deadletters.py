"""Dead letters: the original record with headers that say where it was and why; markers say what was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, get_args

from streams.record import Record

PREFIX: Final = "lockstep-"
#: The last header of a dead letter that was put into `ingest` again: the place there at which it lay before.
FIRST: Final = PREFIX + "first"
#: The last header of a dead letter that lacks bytes of its record: how many these are.
LEFT_OUT: Final = PREFIX + "left-out"
_TOPIC_ID: Final = PREFIX + "topic-id"
_DONE: Final = PREFIX + "done"
_ACTION: Final = PREFIX + "action"
_PLACED: Final = PREFIX + "placed"
Headers = Sequence[tuple[str, bytes]]
Action = Literal["replayed", "discarded"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
#: Bytes that Kafka puts around a record that is alone in its batch, at most, and around each of its headers.
_AROUND_RECORD: Final = 128
_AROUND_HEADER: Final = 20


class Origin(NamedTuple):
    """Where a dead letter lay, and why it is one. `topic_id` is that of the envelopes; a topic may be made anew.

    `left_out`: bytes of the record that were too many for the dead letter, 0 where it has them all.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    topic_id: bytes = b""
    left_out: int = 0

    @property
    def identity(self) -> Identity:
        """What all copies of a dead letter share; a worker that starts again may write one."""
        return Identity(self.topic_id, self.partition, self.offset)


class Identity(NamedTuple):
    """The record that became a dead letter."""

    topic_id: bytes
    partition: int
    offset: int


class Parts(NamedTuple):
    """What a record holds."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def size(self) -> int:
        """Bytes, without what is around them."""
        headers = sum(len(name.encode()) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers

    def fits(self, most: int) -> bool:
        """Whether a topic takes it that takes no more than `most` bytes, however little it can be compressed."""
        return self.size + _AROUND_RECORD + _AROUND_HEADER * len(self.headers) <= most


class Done(NamedTuple):
    """What was done to a dead letter; `placed`: where in `ingest` it lies now, `3:17`."""

    letter: Identity
    action: Action
    placed: str = ""


def letter(origin: Origin, record: Record, most: int) -> Parts:
    """The dead letter of a record, for a topic that takes no more than `most` bytes.

    What is larger is left out, and stays where it lies, which the detail says: the value, or where key and headers are
    too large by themselves all three.
    """
    own = Parts(record.key, record.value, list(record.headers))
    whole = own._replace(headers=dead_letter(origin, own.headers))
    if whole.fits(most):
        return whole
    less = _without("value", len(own.value or b""), origin)
    rest = Parts(own.key, None, dead_letter(less, own.headers))
    if rest.fits(most):
        return rest
    return Parts(None, None, dead_letter(_without("key, value and headers", own.size, origin), ()))


def _without(what: str, size: int, origin: Origin) -> Origin:
    where = f"{origin.topic} {origin.partition}:{origin.offset}"
    detail = f"{origin.detail}; {what} too large to be carried: {size} bytes, which lie in {where} alone"
    return origin._replace(detail=detail, left_out=size)


def dead_letter(origin: Origin, headers: Headers) -> list[tuple[str, bytes]]:
    """Headers of the dead letter of a record with `headers`."""
    made = [
        *headers,
        (PREFIX + "topic", origin.topic.encode()),
        (PREFIX + "partition", b"%d" % origin.partition),
        (PREFIX + "offset", b"%d" % origin.offset),
        (_TOPIC_ID, origin.topic_id.hex().encode()),
        (PREFIX + "reason", origin.reason.encode()),
        (PREFIX + "detail", origin.detail.encode(errors="replace")),
    ]
    return [*made, (LEFT_OUT, b"%d" % origin.left_out)] if origin.left_out else made


def read_dead_letter(headers: Headers) -> Origin:
    """Where a dead letter lay and why. Raises KeyError for a record that is none, ValueError for one that is broken."""
    own = _own(headers)
    place = own["topic"], int(own["partition"]), int(own["offset"])
    name, value = headers[-1]  # any other of this name is the producer's
    left_out = int(value or b"") if name == LEFT_OUT else 0
    return Origin(*place, own["reason"], own["detail"], bytes.fromhex(own.get("topic-id", "")), left_out)


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
