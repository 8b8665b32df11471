"""`message.timeout.ms` is finite: a record that waited too long is given up, and younger ones are appended behind."""

from __future__ import annotations

from streams.transport import outlet
from tests.mutants.seam import replace

CAUGHT_BY = "tests/integration/transport/test_gapless.py"


def apply() -> None:
    """From now on, in this process."""
    replace(outlet, GAPLESS={**outlet.GAPLESS, "message.timeout.ms": 1500})
