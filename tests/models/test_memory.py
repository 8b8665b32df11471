"""What the tables take of memory, counted while they grow."""

from __future__ import annotations

import numpy as np
import pytest

from streams.index import MISSING, Index
from streams.rows import LATEST, SEEN, Layout


@pytest.mark.parametrize("layout", [SEEN, LATEST])
def test_a_key_takes_at_most_40_bytes_all_along_the_growth(layout: Layout) -> None:
    """Counted from the arrays themselves, at every step from 30,000 to 300,000 keys, on the average of the steps."""
    rng = np.random.default_rng(3)
    index = Index(layout.cell, layout.cell_packer)
    each = []
    for step in range(30):
        keys = rng.integers(1, 2**64, 10_000, np.uint64)
        cells = np.zeros(10_000, layout.cell)
        cells["low"] = step
        index.insert(keys, cells)
        if step >= 3:
            each.append(index.nbytes / len(index))
    assert len(index) == 300_000
    assert np.mean(each) <= 40
    assert max(each) <= 43
    assert (index.find(keys, cells["low"]) != MISSING).all()
