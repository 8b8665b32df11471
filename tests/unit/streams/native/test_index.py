"""The native part of the index: what it puts in Python finds, and the other way round; arrays that do not fit."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from streams.index import MISSING
from tests.unit.streams.native import tables


@pytest.mark.parametrize("seed", range(20))
def test_each_finds_what_the_other_put(module: Any, seed: int) -> None:
    """Whoever puts a batch, both find the same keys, with the cells that came with them."""
    assert tables.differences(module, Random(seed)) == 0


def arrays(lines: int = 2, size: int = 8, keys: int = 3) -> list[np.ndarray[Any, Any]]:
    """Those of a call that fits: table, cells, keys, low, found."""
    return [
        np.zeros(lines * 8, np.uint64), np.zeros(lines * 8 * size, np.uint8), np.ones(keys, np.uint64),
        np.zeros(keys, np.uint32), np.zeros(keys, np.int64),
    ]  # fmt: skip


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("change", [-1, 1])
def test_arrays_that_do_not_go_together_are_an_error(module: Any, place: int, change: int) -> None:
    """Nothing beyond them is read or written."""
    right = arrays()
    module.find(*right)
    wrong = arrays()
    wrong[place] = np.zeros(len(wrong[place]) + change, wrong[place].dtype)
    with pytest.raises(ValueError, match="do not go together"):
        module.find(*wrong)
    wrong[3:] = [np.zeros(3 * 8, np.uint8), np.zeros(3, np.uint8)]
    with pytest.raises(ValueError, match="do not go together"):
        module.place(*wrong)


def test_arrays_are_needed(module: Any) -> None:
    """A table of no line, arrays that may not be written, and what is no array."""
    with pytest.raises(ValueError, match="do not go together"):
        module.find(*arrays(lines=0))
    with pytest.raises(TypeError):
        module.find(b"", *arrays()[1:])
    with pytest.raises(TypeError):
        module.find(*arrays()[:4])


def test_a_table_without_room_is_an_error(module: Any) -> None:
    """And looking for what is not in it comes to an end."""
    table, cells, keys, _, found = arrays(keys=16)
    module.place(table, cells, np.arange(1, 17, dtype=np.uint64), np.zeros(16 * 8, np.uint8), np.zeros(2, np.uint8))
    with pytest.raises(ValueError, match="no line has room"):
        module.place(table, cells, keys, np.zeros(16 * 8, np.uint8), np.full(2, 8, np.uint8))
    module.find(table, cells, keys + np.uint64(99), np.zeros(16, np.uint32), found)
    assert found.tolist() == [MISSING] * 16
