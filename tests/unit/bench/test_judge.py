"""What the benchmarks' judge calls wrong: every way in which devices or inbox can differ from the plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.judge import Arrivals, wrong_arrivals, wrong_rows
from bench.plan import LANES, MIXES, Load, account_name, value
from bench.runs import Outcome, latencies_ms

ONE = Load("one", "run", 3, 24, 60)
DEMO = Load("demo", "run", 2, 0, 14 * 6)


def perfect(load: Load) -> list[list[int]]:
    """Everything, in order: account, device, number, time."""
    places = {home.id: place for place, home in enumerate(load.homes()) if home.on}
    return [
        [planned.account, places[device], planned.id, planned.id]
        for planned in load.events()
        for device in planned.devices
        if device in places
    ]


def arrived(rows: list[list[int]]) -> Arrivals:
    """Arrivals in this order."""
    return Arrivals(*np.array(rows, np.int64).T)


@pytest.mark.parametrize("load", [ONE, DEMO])
def test_everything_once_and_in_order_is_right(load: Load) -> None:
    """Whatever else came before the range began."""
    rows = perfect(load)
    assert wrong_arrivals(load, arrived(rows)) == 0
    later = load._replace(start=load.stop // 2)
    assert wrong_arrivals(later, arrived(rows)) == 0


MUTATIONS: dict[str, Callable[[list[list[int]]], object]] = {
    "missing": lambda rows: rows.pop(),
    "twice": lambda rows: rows.append(rows[-1]),
    "another account's": lambda rows: rows[0].__setitem__(0, rows[0][0] + 1),
    "another device's": lambda rows: rows[0].__setitem__(1, 7),
    "out of order": lambda rows: rows.reverse(),
}


@pytest.mark.parametrize("load", [ONE, DEMO])
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_difference_at_a_device_is_counted(load: Load, mutation: str) -> None:
    """Any of these."""
    rows = perfect(load)
    MUTATIONS[mutation](rows)
    assert wrong_arrivals(load, arrived(rows)) > 0


def test_an_event_without_its_row_or_with_two_is_counted() -> None:
    """Also those of devices that are off; an event that ended early must have none."""
    rows: dict[str, list[int]] = {name: [] for name in DEMO.names()}
    for planned in DEMO.events():
        rows[account_name("run", planned.account)] += [planned.id] * bool(planned.devices)
    assert wrong_rows(DEMO, rows) == 0
    first = rows["run-0"]
    assert wrong_rows(DEMO, rows | {"run-0": first[1:]}) == 1
    assert wrong_rows(DEMO, rows | {"run-0": [*first, first[0]]}) == 1
    assert wrong_rows(DEMO, rows | {"run-0": [*first, 9]}) == 1


def test_latency_runs_from_when_an_event_was_due() -> None:
    """Of the range alone."""
    arrivals = arrived([[0, 0, 4, 1_000_000], [0, 0, 6, 9_000_000], [0, 0, 5, 5_000_000]])
    due = np.array([2_000_000, 5_000_000])
    assert latencies_ms(Outcome({}, 0.0, arrivals.within(5, 7), due, 5)).tolist() == [4.0, 3.0]


def test_events_of_the_plain_load_are_spread_over_lanes_and_accounts() -> None:
    """Each account gets all lanes."""
    event = MIXES["one"].event
    seen = {(planned.account, planned.type) for planned in (event(number, 3) for number in range(12))}
    assert seen == {(account, type_) for account in range(3) for type_ in LANES.values()}


def test_a_repeat_has_the_id_of_its_original_and_versions_rise() -> None:
    """In the demo's mix."""
    planned = list(DEMO.events())
    assert (planned[10].id, planned[10].devices) == (3, ())
    versions = [dict(p.more)["version"] for p in planned if "version" in p.more and not p.account]
    assert versions == ["2", "1", "4", "3", "6", "5"]
    assert value(planned[12], "run", 0.0)[:1] == b"\xff"
    attributes: dict[str, Any] = json.loads(value(planned[9], "run", 10_000.0))
    assert (attributes["subject"], attributes["time"]) == ("run-0", "1970-01-01T00:46:40+00:00")
