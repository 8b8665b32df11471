"""The replay watermark is forgotten with the process: copies of what an earlier life took are taken again."""

from __future__ import annotations

from streams.transport.batch import Partition
from streams.transport.ledger import Ledger
from streams.transport.mark import NOTHING_TAKEN, Mark
from tests.mutants.seam import replace

CAUGHT_BY = "tests/unit/transport/test_losses.py"
original = Ledger.start


def start(self: Ledger, source: Partition, mark: Mark | None) -> None:
    """The offset alone."""
    original(self, source, mark and mark._replace(taken=NOTHING_TAKEN))


def apply() -> None:
    """From now on, in this process."""
    replace(Ledger, start=start)
