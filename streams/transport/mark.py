"""A committed offset with what is known of the records below it, and the form of that in the metadata of the commit."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from streams.logtime import UNKNOWN

NOTHING_TAKEN: Final = -1
_LARGEST: Final = 2**63 - 1
_FIELDS: Final = 3


class Mark(NamedTuple):
    """`offset` is the next offset to read; `taken` the highest seq among the records below it, `clock` their latest
    append time (ms)."""

    offset: int
    taken: int
    clock: int = UNKNOWN


class ForeignOrigin(Exception):
    """A commit counts in the offsets of another topic than the one that is there under the same epoch."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(
            f"a commit of this group counts in ingest topic {found} (epoch:id), the cluster's is {expected}: it "
            "was made anew under the same epoch, and new events would be dropped. Raise `epoch` in topics.yaml."
        )


def origin_of(epoch: int, topic_id: bytes) -> str:
    """How commits name the topic whose offsets are positions."""
    return f"{epoch}:{topic_id.hex()}"


def encode_metadata(mark: Mark, origin: str = "") -> str:
    """Commit metadata for a mark: its watermark, its clock, and where it is known the topic whose offsets it counts."""
    return f"{mark.taken} {mark.clock} {origin}".rstrip()


def decode_metadata(offset: int, metadata: str | None, origin: str = "") -> Mark:
    """The mark of a commit. Earlier releases wrote the watermark alone, or with its clock.

    What is unknown (empty, foreign) is -1: a low watermark repeats, a high one would lose; without a clock the first
    record sets it. Raises ForeignOrigin for a commit that counts in another topic than `origin`, of the same epoch.
    """
    fields = (metadata or "").split(" ")
    if len(fields) > _FIELDS or not all(map(_is_number, fields[:2])) or not all(map(_is_origin, fields[2:])):
        return Mark(offset, NOTHING_TAKEN)
    found = fields[2] if len(fields) == _FIELDS else ""
    if found and origin and found != origin and found.partition(":")[0] == origin.partition(":")[0]:
        raise ForeignOrigin(found, origin)
    return Mark(offset, int(fields[0]), int(fields[1]) if len(fields) > 1 else UNKNOWN)


def _is_origin(text: str) -> bool:
    return re.fullmatch(r"[0-9]+:[0-9a-f]+", text) is not None


def _is_number(text: str) -> bool:
    plain = 0 < len(text) < 20 and text.isascii() and text.isdecimal()
    return text == "-1" or (plain and int(text) <= _LARGEST)
