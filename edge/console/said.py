"""What was said last of an account: the outcomes that the index names, and how far its devices have read."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from edge.console.index.store import OUTCOMES, Index
from streams.envelope import offset_of
from streams.outcomes import ANY_LANE, RANGES, Outcome, decode_outcomes
from streams.transport.client import Reader, partition_for

#: Records of `outcomes` that are read for it at most, and for how long, s.
RECORDS: Final = 60
PATIENCE_S: Final = 1.0


class Word(NamedTuple):
    """One outcome: when it was appended (ms), and which stage said it."""

    at: int
    stage: str
    outcome: Outcome


def last_words(source: Reader, topic: str, index: Index, account: str, partitions: int, most: int) -> list[Word]:
    """The newest outcomes of an account, the newest first. Raises ReadFailed."""
    partition = partition_for(account.encode(), partitions)
    until = time.monotonic() + PATIENCE_S
    words: list[Word] = []
    for place in index.find("account", account, RECORDS, partition):
        record = source.one(topic, *place)
        if record is None or record.offset != place.offset:
            continue
        try:
            batch = decode_outcomes(record.value or b"")
        except msgspec.MsgspecError:
            continue
        words += [Word(record.timestamp, batch.stage, each) for each in batch.outcomes[::-1] if each.account == account]
        if len(words) >= most or time.monotonic() > until:
            break
    return words[:most]


def topic_of(prefix: str) -> str:
    """The topic that they are read from."""
    return prefix + OUTCOMES


def described(word: Word, partition: int, lanes: tuple[str, ...]) -> dict[str, Any]:
    """One outcome for the page: one row for all devices that it names; `event` is the place in `ingest`."""
    said = word.outcome
    ranged = said.kind in RANGES and said.lane != ANY_LANE
    return {
        "at": word.at,
        "stage": word.stage,
        "outcome": said.kind,
        "event": {"partition": partition, "offset": offset_of(said.seq)},
        "since": offset_of(said.since) if ranged and said.since >= 0 else None,
        "lane": lanes[said.lane] if 0 <= said.lane < len(lanes) else None,
        "devices": said.devices,
        "reason": said.detail,
    }


def cursors(words: Iterable[Word], lanes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """How far each device said that it has read each lane, and when, of what was said last."""
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        said = word.outcome
        if said.kind not in RANGES or not 0 <= said.lane < len(lanes):
            continue
        for device in said.devices:
            known = found.setdefault(device, {}).setdefault(lanes[said.lane], {"seq": -1, "offset": -1, "at": -1})
            if said.seq > known["seq"]:
                known.update(seq=said.seq, offset=offset_of(said.seq), at=word.at)
    return found
