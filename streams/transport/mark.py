"""A committed offset with what is known of the records below it, and the form of that in the metadata of the commit."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.logtime import UNKNOWN

NOTHING_TAKEN: Final = -1
_LARGEST: Final = 2**63 - 1


class Mark(NamedTuple):
    """`offset` is the next offset to read; `taken` the highest seq among the records below it, `clock` their latest
    append time (ms)."""

    offset: int
    taken: int
    clock: int = UNKNOWN


def encode_metadata(mark: Mark) -> str:
    """Commit metadata for a mark: its watermark and, where it is known, its clock."""
    return str(mark.taken) if mark.clock == UNKNOWN else f"{mark.taken} {mark.clock}"


def decode_metadata(offset: int, metadata: str | None) -> Mark:
    """The mark of a commit. Releases before this one wrote the watermark alone.

    What is unknown (empty, foreign) is -1: a low watermark repeats, a high one would lose; without a clock the first
    record sets it.
    """
    taken, space, clock = (metadata or "").partition(" ")
    if not _is_number(taken) or (space and not _is_number(clock)):
        return Mark(offset, NOTHING_TAKEN)
    return Mark(offset, int(taken), int(clock) if space else UNKNOWN)


def _is_number(text: str) -> bool:
    plain = 0 < len(text) < 20 and text.isascii() and text.isdecimal()
    return text == "-1" or (plain and int(text) <= _LARGEST)
