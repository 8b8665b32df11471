"""Settings of what an event may be."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from streams.providers import Frozen, Positive, Seconds

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Limits(Frozen, frozen=True):
    """What an event may be, and when a worker stops a partition rather than go on.

    event_bytes: Longest event, bytes of value and headers; `max_message` of topics.yaml has room for what comes of it.
    future_tolerance: How far an event's time may be ahead of the broker's clock, s.
    redelivery_horizon: How long producers may send an event again, s; the window of `seen` must not be shorter.
    fingerprint_key: Secret that keys the digests of the tables; one value for the whole installation, never changed.
    seen_entries: Most entries of `seen` for one partition, 22 to 35 bytes each in memory.
    seen_full: Then `forget` drops the oldest quarter of the window early, `stop` stops the partition.
    dead_letter_ratio: A partition stops where a greater part of its last records would be dead letters; 1: never.
    dead_letter_window: Of how many records that is a part.
    dead_letter_consecutive: A partition stops where more records than this would be dead letters in a row.
    copies: Longest run of copies that passes for a replay, records of a partition; a longer one stops the stage.
    """

    event_bytes: Positive = 16 * 1024
    future_tolerance: Seconds = 300.0
    redelivery_horizon: Seconds = 300.0
    fingerprint_key: str = ""
    seen_entries: Annotated[int, msgspec.Meta(ge=1000)] = 4_000_000
    seen_full: Literal["forget", "stop"] = "forget"
    dead_letter_ratio: Share = 0.5
    dead_letter_window: Positive = 1000
    dead_letter_consecutive: Positive = 500
    copies: Positive = 100_000
