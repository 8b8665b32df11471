"""No number of copies is too many: a reset of offsets is dropped in silence, and nobody hears of it."""

from __future__ import annotations

from streams.fresh import Replays
from tests.mutants.seam import replace

CAUGHT_BY = "tests/unit/streams/test_fresh.py"
original = Replays.__init__


def unlimited(self: Replays, topic: str, limit: int) -> None:
    """Whatever the setting says."""
    original(self, topic, 1 << 62)


def apply() -> None:
    """From now on, in this process."""
    replace(Replays, __init__=unlimited)
