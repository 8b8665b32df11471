"""The replay watermark comes back higher than it was committed: events above the commit are taken for copies."""

from __future__ import annotations

from streams.transport.batch import Partition
from streams.transport.ledger import Ledger
from streams.transport.mark import Mark
from tests.mutants.seam import replace

CAUGHT_BY = "tests/unit/transport/test_losses.py"
TOO_MUCH = 3
original = Ledger.start


def start(self: Ledger, source: Partition, mark: Mark | None) -> None:
    """As if it were the watermark of the moment, not that of the committed offset."""
    original(self, source, mark and mark._replace(taken=mark.taken + TOO_MUCH))


def apply() -> None:
    """From now on, in this process."""
    replace(Ledger, start=start)
