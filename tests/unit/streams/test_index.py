"""The index against a dict: batches, single keys, growth, crowded lines; with and without the native part."""

from collections.abc import Iterator
from struct import Struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import index as indexes
from streams.index import MISSING, Index, Keys, key_of

CELL = np.dtype([("low", "<u4"), ("value", "<u4")])
#: Few different numbers: the same 8 bytes with other 4 bytes behind them, and lines that overflow, last line included.
names = st.tuples(
    st.one_of(st.integers(1, 3), st.integers(2**64 - 40, 2**64 - 1), st.integers(1, 2**64 - 1)), st.integers(0, 2)
)


@pytest.fixture(params=["native", "python"], autouse=True, scope="module")
def part(request: pytest.FixtureRequest) -> Iterator[str]:
    """What looks many keys up and puts them in."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setattr(indexes, "_native", None)
        yield request.param


def small_index(expected: int = 0) -> Index:
    """An index of small cells."""
    return Index(CELL, Struct("<II"), expected)


def arrays(items: dict[tuple[int, int], int]) -> tuple[Keys, np.ndarray[tuple[int], np.dtype[np.void]]]:
    """Keys and cells of these items."""
    keys = np.array([key for key, _ in items], np.uint64)
    return keys, np.array([(low, value) for (_, low), value in items.items()], CELL)


@given(st.lists(st.dictionaries(names, st.integers(0, 2**32 - 1), max_size=60), max_size=6), st.data())
def test_index_is_a_map(batches: list[dict[tuple[int, int], int]], data: st.DataObject) -> None:
    """Whatever is put in, alone or in batches, is found again, alone and in batches; nothing else is."""
    index, model = small_index(), dict[tuple[int, int], int]()
    for batch in batches:
        fresh = {name: value for name, value in batch.items() if name not in model}
        if data.draw(st.booleans()):
            index.insert(*arrays(fresh))
        else:
            for (key, low), value in fresh.items():
                index.insert_one(key, low, value)
        model |= fresh
        assert len(index) == len(model)
    asked = dict.fromkeys([*model, *data.draw(st.lists(names, max_size=40))], 0)
    keys, cells = arrays(asked)
    slots = index.find(keys, cells["low"]).tolist()
    for name, slot in zip(asked, slots, strict=True):
        assert slot == index.find_one(*name)
        assert (None if slot == MISSING else index.cell_at(slot)) == ((name[1], model[name]) if name in model else None)


@given(st.integers(1, 40))
def test_a_cell_can_be_overwritten(count: int) -> None:
    """Setting a cell changes that one alone."""
    index = small_index()
    for i in range(count):
        index.insert_one(i + 1, 0, i)
    index.set_cell(index.find_one(count, 0), 0, 77)
    values = [index.cell_at(index.find_one(i + 1, 0))[1] for i in range(count)]
    assert values == [*range(count - 1), 77]


def test_keys_with_the_same_8_bytes_are_told_apart() -> None:
    """Also in a batch, where all are looked for at once."""
    index = small_index()
    names = {(key, low): key + low for key in range(1, 40) for low in range(2)}
    index.insert(*arrays(names))
    keys, cells = arrays({(key, low): 0 for key in range(1, 40) for low in range(3)})
    values = [None if slot == MISSING else index.cell_at(slot)[1] for slot in index.find(keys, cells["low"]).tolist()]
    assert values == [names.get((int(key), int(low))) for key, low in zip(keys, cells["low"], strict=True)]


@pytest.mark.parametrize("expected", [0, 100, 10_000, 1_000_000])
def test_a_line_of_keys_is_one_of_the_cache(expected: int) -> None:
    """Looking for a key that is not there goes over its whole line: in two cache lines it would wait twice."""
    index = small_index(expected)
    assert index._keys.ctypes.data % 64 == 0
    assert index._keys[0].nbytes == 64


def test_expected_keys_fit_without_growing() -> None:
    """An index made for a number of keys keeps its size for that many."""
    index = small_index(1000)
    size = index.nbytes
    keys = np.random.default_rng(1).integers(1, 2**64, 1000, np.uint64)
    index.insert(keys, np.zeros(1000, CELL))
    assert index.nbytes == size
    index.insert_one(1, 0, 0)
    index.insert(keys + np.uint64(1), np.zeros(1000, CELL))
    assert index.nbytes > size


def test_no_key_is_the_empty_mark() -> None:
    """A fingerprint that begins with eight zero bytes is a key like any other."""
    assert key_of(bytes(12)) == (1, 0)
    assert key_of(bytes(range(12))) == (0x0706050403020100, 0x0B0A0908)
