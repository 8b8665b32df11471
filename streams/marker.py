"""Session markers: the first record that a producer's session puts into each partition between stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

#: The header by which a marker is known; its value is empty and has no key.
NAME: Final = "lockstep-marker"
HEADERS: Final = [(NAME, b"session")]


class Marked(Protocol):
    """What is looked at of a record."""

    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


R = TypeVar("R", bound=Marked)


def is_marker(record: Marked) -> bool:
    """Whether a record of a topic between stages is a marker, which carries nothing."""
    return record.value is None and any(name == NAME for name, _ in record.headers)


def without_markers(records: Sequence[R]) -> list[R]:
    """The records that carry something, in order."""
    return [record for record in records if record.value is not None or not is_marker(record)]
