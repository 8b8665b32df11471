"""No number of copies is too many: a reset of offsets is dropped in silence, and nobody hears of it."""

from __future__ import annotations

from typing import Any

from streams.fresh import Fresh
from tests.mutants.seam import replace

CAUGHT_BY = "tests/unit/streams/test_fresh.py"
original = Fresh.__init__


def unlimited(self: Any, decode: Any, verify: Any, limit: int) -> None:
    """Whatever the setting says."""
    original(self, decode, verify, 1 << 62)


def apply() -> None:
    """From now on, in this process."""
    replace(Fresh, __init__=unlimited)
