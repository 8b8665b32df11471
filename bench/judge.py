"""Whether devices and inbox got what they had to; all counts are of things that are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from bench.plan import Load, account_name

_DEVICES: Final = 16  # more than an account has


class Arrivals(NamedTuple):
    """What came to devices, in the order in which it came: a row of an array each."""

    accounts: Any
    devices: Any
    numbers: Any
    times: Any

    def within(self, start: int, stop: int) -> Arrivals:
        """Those of a range of events."""
        ours = (self.numbers >= start) & (self.numbers < stop)
        return Arrivals(*(column[ours] for column in self))


def expected(load: Load) -> Any:
    """A code for each pair of an event and an online device that must show it, sorted."""
    places = {home.id: place for place, home in enumerate(load.homes()) if home.on}
    codes = [
        planned.id * _DEVICES + places[device]
        for planned in load.events()
        for device in planned.devices
        if device in places
    ]
    return np.sort(np.array(codes, np.int64))


def wrong_arrivals(load: Load, arrivals: Arrivals) -> int:
    """Events missing at a device, there although not meant for it, there again, or behind a later one of their type."""
    wanted = expected(load)
    accounts, devices, numbers, _ = arrivals.within(load.start, load.stop)
    found = np.sort(numbers * _DEVICES + devices)
    differing = len(np.setxor1d(wanted, found))
    repeated = len(found) - len(np.unique(found))
    kinds = {planned.id: (planned.account, planned.type) for planned in load.events()}
    types = {type_: place for place, type_ in enumerate(sorted({type_ for _, type_ in kinds.values()}))}
    owners = np.array([kinds[number][0] for number in numbers.tolist()], np.int64)
    of_type = np.array([types[kinds[number][1]] for number in numbers.tolist()], np.int64)
    return differing + repeated + int((owners != accounts).sum()) + _out_of_order((accounts, devices, of_type), numbers)


def _out_of_order(keys: Sequence[Any], numbers: Any) -> int:
    order = np.lexsort(keys)  # stable: in each group the order of arrival
    same = np.ones(max(0, len(numbers) - 1), bool)
    for key in keys:
        same &= np.diff(key[order]) == 0
    return int((same & (np.diff(numbers[order]) < 0)).sum())


def wrong_rows(load: Load, rows: Mapping[str, Iterable[int]]) -> int:
    """Events of a load that have no row in the inbox of their account, more than one, or one that they must not have.

    `rows`: by account the numbers of all events that its rows stand for.
    """
    found = Counter((account, number) for account, numbers in rows.items() for number in numbers)
    wanted = Counter(
        (account_name(load.run, planned.account), planned.id) for planned in load.events() if planned.devices
    )
    return sum(((found - wanted) + (wanted - found)).values())
