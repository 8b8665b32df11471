"""A failed delivery is not noticed: the commit that follows covers a record that is nowhere."""

from __future__ import annotations

from streams.transport.outlet import Outlet
from tests.mutants.seam import replace

CAUGHT_BY = "tests/unit/transport/test_losses.py"


def unmoved(self: Outlet, error: object, message: object) -> None:
    """Whatever the error is."""


def apply() -> None:
    """From now on, in this process."""
    replace(Outlet, _on_delivery=unmoved)
