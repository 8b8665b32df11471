"""What was worked out before, for a bounded number of keys."""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """Values by digest, in two generations: that bounds them without keeping ages."""

    def __init__(self, most: int) -> None:
        """`most`: of each generation; what was not asked for while one came about goes with the next."""
        self._most = most
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, digest: bytes) -> V | None:
        """The value, if it is remembered."""
        found = self._young.get(digest)
        if found is None and (found := self._old.pop(digest, None)) is not None:
            self.put(digest, found)
        return found

    def put(self, digest: bytes, value: V) -> None:
        """Remember a value."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[digest] = value

    def clear(self) -> None:
        """Forget all."""
        self._young, self._old = {}, {}
