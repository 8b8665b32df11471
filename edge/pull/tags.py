"""Entity tags of pages: what a device has to say so that nothing new is 304."""

from __future__ import annotations

from collections.abc import Sequence

from edge.cursor import Cursor


def nothing_above(cursor: Cursor, heads: Sequence[int]) -> bool:
    """Whether all heads are known and the cursor is at or above them."""
    if heads == cursor.positions:
        lowest: int = min(heads)
        return lowest >= 0
    return all(0 <= head <= position for head, position in zip(heads, cursor.positions, strict=True))


def tag_of(heads: Sequence[int]) -> str:
    """All lanes' heads: their maximum would hide a lower lane that moved."""
    return '"' + "-".join(f"{head:x}" for head in heads) + '"'


def matches(header: str, tag: str) -> bool:
    """Whether a header If-None-Match holds the tag; proxies that compress make it a weak one."""
    return header == tag or tag in (each.strip().removeprefix("W/") for each in header.split(","))
