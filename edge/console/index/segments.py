"""Segments: files of sorted postings, each of a range of offsets of one partition of one topic.

A posting is 8 bytes: the hash of a word above, the offset from the segment's first one below.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SUFFIX: Final = ".seg"
POSTING: Final = 8
#: Offsets of one segment lie within so many of each other.
REACH: Final = 1 << 32
_MAGIC: Final = b"lsidx01\n"
_HEAD: Final = struct.Struct("<8s8sqqqqqq")
_TYPE: Final = np.dtype("<u8")
Postings = NDArray[np.uint64]


class BadSegment(Exception):
    """A file that is no whole segment."""


class Span(NamedTuple):
    """Offsets [first, end) of a partition of the topic with this id, appended from `since` to `until`, ms."""

    topic_id: bytes
    partition: int
    first: int
    end: int
    since: int
    until: int


class Segment(NamedTuple):
    """A segment on disk; the system's cache holds what is looked at of it."""

    path: Path
    span: Span
    postings: Postings

    def __len__(self) -> int:
        return len(self.postings)

    @property
    def nbytes(self) -> int:
        """Of the file."""
        return _HEAD.size + POSTING * len(self.postings)

    def find(self, word: int) -> list[int]:
        """Offsets of the records with this hash, rising."""
        return found(self.postings, self.span.first, word)


def found(postings: Postings, first: int, word: int) -> list[int]:
    """Offsets of a hash in sorted postings, rising."""
    bounds = np.array([word << 32, (word << 32) + REACH - 1], _TYPE)
    low = int(np.searchsorted(postings, bounds[0], "left"))
    high = int(np.searchsorted(postings, bounds[1], "right"))
    return [first + int(each) for each in postings[low:high] & np.uint64(REACH - 1)]


def ordered(postings: Sequence[int] | Postings) -> Postings:
    """Sorted, each once."""
    return np.unique(np.asarray(postings, _TYPE))


def write(directory: Path, name: str, span: Span, postings: Postings) -> Segment:
    """A new segment of sorted postings. Raises OSError."""
    path = directory / f"{name}.{span.partition}.{span.first:020}-{span.end:020}{SUFFIX}"
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(_HEAD.pack(_MAGIC, span.topic_id, *span[1:], len(postings)))
        file.write(postings.astype(_TYPE, copy=False).tobytes())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return open_segment(path)


def open_segment(path: Path) -> Segment:
    """A segment that was written before. Raises BadSegment and OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
    try:
        magic, topic_id, partition, first, end, since, until, count = _HEAD.unpack(head)
    except struct.error as error:
        raise BadSegment(f"{path}: its head is not whole") from error
    if magic != _MAGIC or path.stat().st_size != _HEAD.size + POSTING * count:
        raise BadSegment(f"{path}: not a whole segment of this release")
    postings = np.memmap(path, _TYPE, "r", _HEAD.size, (count,)) if count else np.empty(0, _TYPE)
    return Segment(path, Span(topic_id, partition, first, end, since, until), postings)


def joined(directory: Path, name: str, one: Segment, other: Segment) -> Segment:
    """One segment in place of two, of which `other` begins where `one` ends. Raises OSError."""
    shift = np.uint64(other.span.first - one.span.first)
    postings = np.concatenate([np.asarray(one.postings), np.asarray(other.postings) + shift])
    postings.sort(kind="stable")  # two runs that are sorted: it merges them
    span = one.span._replace(end=other.span.end, until=max(one.span.until, other.span.until))
    made = write(directory, name, span, postings)
    one.path.unlink()
    other.path.unlink()
    return made
