"""A producer's session begins with data: when the first batch in flight is lost the second may be taken without it."""

from __future__ import annotations

from typing import Any

from streams.transport.outlet import Outlet
from tests.mutants.seam import replace

CAUGHT_BY = "tests/unit/transport/test_outlet.py"
original = Outlet.__init__


def begin(self: Outlet, *args: Any, marked: object = None, **kwargs: Any) -> None:
    """No topic is one whose sessions are marked."""
    original(self, *args, **kwargs)


def apply() -> None:
    """From now on, in this process."""
    replace(Outlet, __init__=begin)
