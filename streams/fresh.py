"""The records of a batch that a stage has not taken before: decoded, verified and in order; copies are dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar


class Placed(Protocol):
    """What every record between stages says of itself."""

    @property
    def version(self) -> int: ...
    @property
    def topic_id(self) -> bytes: ...
    @property
    def seq(self) -> int: ...


M = TypeVar("M", bound=Placed)


class LongReplay(Exception):
    """So many copies in one ascending run that no replay after a crash explains them: somebody has reset offsets."""


class _Run(NamedTuple):
    """Copies one after the other at rising positions, the last at `seq`; `taken` was the watermark meanwhile."""

    copies: int
    seq: int
    taken: int


class Replays:
    """Tells replays from resets, by the length of the runs of copies in the partitions of a topic."""

    def __init__(self, topic: str, limit: int) -> None:
        """`limit` is the longest run that passes for a replay, records."""
        self._topic = topic
        self._limit = limit
        self._runs: dict[int, _Run] = {}

    def copy(self, partition: int, seq: int, taken: int) -> None:
        """A record at a position at or below the watermark was met. Raises LongReplay.

        A step back is the beginning of another replay: a stage that dies again and again makes many short ones. So is a
        copy behind a fresh record, which has raised the watermark.
        """
        run = self._runs.get(partition)
        goes_on = run is not None and seq > run.seq and taken == run.taken
        copies = run.copies + 1 if run is not None and goes_on else 1
        if copies > self._limit:
            raise LongReplay(
                f"{self._topic}[{partition}]: {copies} copies in a row, the last at position {seq}, while {taken} was "
                "taken before: the committed offsets of a stage before this one were reset. A reset processes nothing "
                "anew: publish the events again to `ingest` instead. To pass over these copies, restart with "
                "LOCKSTEP_LIMITS__COPIES above their number."
            )
        self._runs[partition] = _Run(copies, seq, taken)


class Fresh(Generic[M]):
    """Applies the replay watermark to the batches of one topic."""

    def __init__(self, decode: Callable[[bytes], M], verify: Callable[[int, bytes], None], replays: Replays) -> None:
        """`verify` gets version and topic id of each record, and raises."""
        self._decode = decode
        self._verify = verify
        self._replays = replays

    def take(self, partition: int, taken: int, values: Iterable[bytes | None]) -> tuple[list[M], int]:
        """What lies above the watermark `taken`, decoded, at rising positions; and how many copies were dropped.

        Raises LongReplay, what `verify` raises, and the decoder's error for what no stage has written.
        """
        fresh = []
        copies = 0
        for value in values:
            made = self._decode(value or b"")
            self._verify(made.version, made.topic_id)
            if made.seq > taken:
                taken = made.seq
                fresh.append(made)
            else:
                copies += 1
                self._replays.copy(partition, made.seq, taken)
        return fresh, copies
