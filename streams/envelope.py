"""The compact envelopes of the topics between stages, and the position that orders everything."""

from __future__ import annotations

from struct import Struct
from typing import Final

import msgspec

from streams.targets import EVERY, Predicate
from streams.topology import Wake

VERSION: Final = 1
#: Bits of a position that hold the offset; above them is the epoch of the topic `ingest`.
OFFSET_BITS: Final = 48
_OFFSET_MASK: Final = (1 << OFFSET_BITS) - 1
_id = Struct(">qI4s")


def position(epoch: int, offset: int) -> int:
    """`seq` of the event at an offset of `ingest`: unique and rising per account, the same on every replay."""
    return epoch << OFFSET_BITS | offset


def offset_of(seq: int) -> int:
    """The offset in `ingest` that a position names."""
    return seq & _OFFSET_MASK


def epoch_of(seq: int) -> int:
    """The epoch of `ingest` that a position names."""
    return seq >> OFFSET_BITS


def notification_id(seq: int, partition: int, topic_id: bytes) -> bytes:
    """16 bytes, a pure function of the ingest record; `origin_of` reads it back."""
    return _id.pack(seq, partition, topic_id)


def origin_of(id_: bytes) -> tuple[int, int, bytes]:
    """(seq, partition, topic id) of a notification id. Raises struct.error."""
    seq, partition, topic_id = _id.unpack(id_)
    return seq, partition, topic_id


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """An event on its way (`events.<lane>`) and the notification made of it, or of several (`notifications.<lane>`).

    Times are ms since 1970: `time` is the producer's, `appended` the broker's in `ingest`, `deadline` the last moment
    at which it is processed or pushed, `expires` the last at which it can be read. Fields are only ever added at
    the end, with a default, so that the versions before and after this one stay readable.
    """

    version: int
    topic_id: bytes  # first four bytes of the ingest topic's id
    partition: int
    seq: int
    lane: int
    account: str
    source: str
    id: str
    type: str
    time: int
    appended: int
    deadline: int
    expires: int
    content_type: str
    payload: bytes
    target: Predicate = EVERY
    collapse_key: str = ""
    revision: int = -1  # the event's `version`, -1 where it has none
    trace: str = ""
    events: tuple[str, ...] = ()  # ids of all it stands for, oldest first; empty: `id` alone


#: A record of `events.<lane>` without an event: nothing but time passes by it.
TICK: Final = b""


def is_tick(value: bytes | None) -> bool:
    """Whether a record holds no envelope, and every reader passes over it."""
    return not value


class Push(msgspec.Struct, array_like=True, gc=False):
    """One notification for the devices of an account on one platform (`push.<platform>.<lane>`).

    `prev` is the head of (account, lane) before this one, -1 where unknown. `targets` get the payload, `others` only
    the number. A socket target is (device, gateway, incarnation, presence epoch); a target of a provider is
    (device, 0, 0, 0), and its token stands at the same place of `tokens`.

    In a retry topic a push has one target; `attempt` says how often it was tried, `due` when it is tried next, ms.
    """

    version: int
    topic_id: bytes
    partition: int
    seq: int
    prev: int
    lane: int
    account: str
    events: tuple[str, ...]
    type: str
    time: int
    deadline: int
    expires: int
    content_type: str
    payload: bytes
    targets: tuple[tuple[str, int, int, int], ...]
    others: tuple[tuple[str, int, int, int], ...] = ()
    trace: str = ""
    tokens: tuple[bytes, ...] = ()
    collapse_key: str = ""
    wake: Wake = "data"
    attempt: int = 0
    due: int = 0

    @property
    def id(self) -> bytes:
        """The notification's."""
        return notification_id(self.seq, self.partition, self.topic_id)


encode = msgspec.msgpack.Encoder().encode
decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
decode_push = msgspec.msgpack.Decoder(Push).decode
_READABLE: Final = range(VERSION - 1, VERSION + 2)


class UnknownVersion(Exception):
    """A record was written by a release that is too far from this one."""


def check_version(version: int) -> None:
    """Raise UnknownVersion unless the format is this release's or a neighbour's."""
    if version not in _READABLE:
        raise UnknownVersion(
            f"envelope version {version}; this release reads {_READABLE.start} to {_READABLE.stop - 1}"
        )


class ForeignTopic(Exception):
    """A record descends from another `ingest` topic than the one that is there under the same epoch."""

    def __init__(self, found: bytes, expected: bytes) -> None:
        super().__init__(
            f"a record descends from the ingest topic {found.hex()}, but the cluster's is {expected.hex()}: "
            "the topic was made anew under the same epoch. Raise `epoch` in topics.yaml before new events are "
            "published, and drop the records of the old topic."
        )
