"""A committed offset with its replay watermark, and the watermark's form in the metadata of the commit."""

from __future__ import annotations

from typing import Final, NamedTuple

NOTHING_TAKEN: Final = -1
_LARGEST: Final = 2**63 - 1


class Mark(NamedTuple):
    """`offset` is the next offset to read; `taken` the highest seq among the records below it."""

    offset: int
    taken: int


def encode_watermark(taken: int) -> str:
    """Commit metadata for a watermark."""
    return str(taken)


def decode_watermark(metadata: str | None) -> int:
    """The watermark in commit metadata. Unknown (empty, foreign) is -1: a low start repeats, a high one would lose."""
    if metadata and len(metadata) < 20 and metadata.isascii() and metadata.isdecimal():
        taken = int(metadata)
        if taken <= _LARGEST:
            return taken
    return NOTHING_TAKEN
