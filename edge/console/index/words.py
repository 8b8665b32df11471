"""What of a record can be looked for, as hashes. Pure."""

from __future__ import annotations

from typing import Final, Literal
from zlib import crc32

import msgspec

from streams.record import Record

Kind = Literal["event", "account", "device"]
_SALTS: Final[dict[Kind, bytes]] = {"event": b"e", "account": b"a", "device": b"d"}
_ID: Final = "ce_id"


class _Id(msgspec.Struct, gc=False):
    """Of an event in structured mode, whatever else is in it."""

    id: str = ""


class _Brief(msgspec.Struct, array_like=True, gc=False):
    """Of an outcome; the rest is passed over."""

    kind: str
    account: str
    seq: int
    devices: tuple[str, ...] = ()


class _Batch(msgspec.Struct, array_like=True, gc=False):
    """Of the value of a record of `outcomes`."""

    version: int
    stage: str
    at: int
    outcomes: tuple[_Brief, ...]


_event = msgspec.json.Decoder(_Id).decode
_outcomes = msgspec.msgpack.Decoder(_Batch).decode


def word(kind: Kind, text: str) -> int:
    """The hash of an id, 32 bits: who finds a record by it looks whether the record holds the id itself."""
    return crc32(text.encode(errors="replace"), crc32(_SALTS[kind]))


def event_id(record: Record) -> str:
    """The id of the event in a record of `ingest`, also where it is none that lockstep takes; empty: it has none."""
    for name, value in record.headers:
        if name.lower() == _ID:
            return (value or b"").decode(errors="replace")
    try:
        return _event(record.value or b"").id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def words_of_event(record: Record) -> list[int]:
    """Of a record of `ingest`: the id of its event."""
    id_ = event_id(record)
    return [word("event", id_)] if id_ else []


def words_of_outcomes(record: Record) -> list[int]:
    """Of a record of `outcomes`: each account and each device in it, once."""
    try:
        outcomes = _outcomes(record.value or b"").outcomes
    except msgspec.MsgspecError:
        return []
    accounts = {outcome.account for outcome in outcomes}
    devices = {device for outcome in outcomes for device in outcome.devices}
    found = [word("account", account) for account in accounts]
    found += [word("device", device) for device in devices]
    return found
