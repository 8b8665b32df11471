"""Outcomes: what became of each event and each targeted device, packed per batch into the topic `outcomes`."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

Kind = Literal[
    # terminal, for the event
    "dead-lettered", "duplicate", "conflict", "stale", "superseded", "merged", "no-target",
    # terminal, for one targeted device
    "acked", "pulled", "accepted", "expired",
    # on the way
    "stored", "pushed", "undeliverable",
]  # fmt: skip

Reason = Literal[
    "undecodable", "null-value", "unknown-type", "no-account", "key-mismatch", "wrong-partition", "bad-attribute",
    "oversized", "future-dated", "conflict",
]  # fmt: skip

EVENT_LEVEL: Final = frozenset[Kind](
    ("dead-lettered", "duplicate", "conflict", "stale", "superseded", "merged", "no-target")
)
DEVICE_LEVEL: Final = frozenset[Kind](("acked", "pulled", "accepted", "expired"))
TERMINAL: Final = EVENT_LEVEL | DEVICE_LEVEL
#: Said of all notifications of a lane in (since, seq], not of one.
RANGES: Final = frozenset[Kind](("acked", "pulled"))
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
#: What a device says, in an ack, that became of one item.
Code = Literal["handled", "ignored", "failed"]
CODES: Final[tuple[Code, ...]] = get_args(Code)
#: The lane of an `acked` that is of the one event at `seq`, whichever its lane; its `detail` is the device's code.
ANY_LANE: Final = -1
VERSION: Final = 1


class Outcome(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """One outcome of the event at position `seq`, for all of it or for some devices.

    One of RANGES stands for every notification of `lane` that targets the device in (since, seq]; see ANY_LANE too.
    `detail` says why, with the numbers that decided.
    """

    kind: Kind
    account: str
    seq: int
    devices: tuple[str, ...] = ()
    detail: str = ""
    since: int = -1
    lane: int = ANY_LANE


class OutcomeBatch(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The value of a record of `outcomes`: what one stage decided in one batch. `at` is its wall clock, ms."""

    version: int
    stage: str
    at: int
    outcomes: tuple[Outcome, ...]


_encode = msgspec.msgpack.Encoder().encode
decode_outcomes = msgspec.msgpack.Decoder(OutcomeBatch).decode


def encode_outcomes(stage: str, at: int, outcomes: list[Outcome]) -> bytes:
    """The record value for what `stage` decided at `at` (ms)."""
    return _encode(OutcomeBatch(VERSION, stage, at, tuple(outcomes)))
