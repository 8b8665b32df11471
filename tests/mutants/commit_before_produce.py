"""Offsets are committed before the outputs of their batches are on the broker: a crash in between loses them."""

from __future__ import annotations

from typing import Any

from streams.transport.consumer import BatchConsumer
from tests.mutants.seam import replace

CAUGHT_BY = "tests/unit/transport/test_losses.py"


async def commit_first(self: Any, marks: Any) -> bool:
    """The original without its flush."""
    self.ledger.settle(await self._thread.commit(marks))
    return True


def apply() -> None:
    """From now on, in this process."""
    replace(BatchConsumer, _flush_and_commit=commit_first)
