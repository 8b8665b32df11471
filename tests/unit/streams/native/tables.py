"""Indexes by chance, filled and looked through by the native part and by Python in turn."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from struct import Struct
from typing import Any, Final

import numpy as np
import pytest

from streams import index as indexes
from streams.index import MISSING, Cells, Index, Keys

CELL: Final = np.dtype([("low", "<u4"), ("value", "<u4")])
#: The two numbers of a fingerprint.
Name = tuple[int, int]


def items(random: Random, known: Mapping[Name, int]) -> dict[Name, int]:
    """New ones: of few different keys, of the last line, and of any."""
    made = {}
    for _ in range(random.choice((0, 1, 7, 40, 300))):
        key = random.choice((random.randint(1, 3), random.randint(2**64 - 40, 2**64 - 1), random.randint(1, 2**64 - 1)))
        made[key, random.randrange(3)] = random.randrange(2**32)
    return {name: value for name, value in made.items() if name not in known}


def columns(made: Mapping[Name, int]) -> tuple[Keys, Cells]:
    """Keys and cells of items."""
    keys = np.array([key for key, _ in made], np.uint64)
    return keys, np.array([(low, value) for (_, low), value in made.items()], CELL)


def differences(module: Any, random: Random) -> int:
    """Answers that differ, of both parts, from what was put in by either."""
    index, model = Index(CELL, Struct("<II")), dict[Name, int]()
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(12):
            patch.setattr(indexes, "_native", random.choice([module, None]))
            batch = items(random, model)
            index.insert(*columns(batch))
            model |= batch
        asked = {**items(random, {}), **model}
        keys, cells = columns(asked)
        wrong = 0
        for part in (module, None):
            patch.setattr(indexes, "_native", part)
            slots = index.find(keys, cells["low"]).tolist()
            found = [None if slot == MISSING else index.cell_at(slot) for slot in slots]
            wrong += found != [(name[1], model[name]) if name in model else None for name in asked]
    return wrong
