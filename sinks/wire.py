"""What a push worker posts to the internal port of a gateway, and what the gateway answers."""

from __future__ import annotations

from typing import Final

import msgspec

PATH: Final = "/push"
CONTENT_TYPE: Final = "application/msgpack"
#: Statuses of a device in a reply.
TAKEN: Final = 200
NOT_HERE: Final = 404
TURNED_TO_SYNC: Final = 503
#: Status of a reply: another gateway, or another life of it, has this address. It says nothing about the devices.
MISDIRECTED: Final = 421


class Note(msgspec.Struct, array_like=True, gc=False):
    """One notification for devices at one gateway. Times are ms since 1970.

    `targets` get all of it, `others` only the number. `prev` is the head before it, -1 where unknown.
    """

    id: bytes
    account: str
    type: str
    lane: int
    seq: int
    prev: int
    time: int
    expires: int
    events: tuple[str, ...]
    content_type: str
    payload: bytes
    targets: tuple[str, ...]
    others: tuple[str, ...]


class Delivery(msgspec.Struct, array_like=True, gc=False):
    """All that a batch has for one gateway."""

    gateway: int
    incarnation: int
    notes: list[Note]


encode_delivery = msgspec.msgpack.Encoder().encode
decode_delivery = msgspec.msgpack.Decoder(Delivery).decode
#: One status for each device of each note: its targets, then its others.
encode_statuses = msgspec.msgpack.Encoder().encode
decode_statuses = msgspec.msgpack.Decoder(list[int]).decode
