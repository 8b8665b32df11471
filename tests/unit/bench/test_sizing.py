"""The calculator of sizes, and the page that shows what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from bench.sizing import PARTITIONS, Costs, Traffic, main, measured, sizes, text

DOCS = Path(__file__).parents[3] / "docs"
SMALL = Traffic(events=2000, devices=2_000_000)
COSTS = Costs(6, 7, 22, 12, 13, socket_bytes=4096, presence_bytes=115)


def amounts(traffic: Traffic, costs: Costs | None = None) -> dict[str, str]:
    """What is computed, by name."""
    return {size.what: size.amount for size in sizes(traffic, costs or COSTS)}


@pytest.mark.parametrize("traffic", [Traffic(), SMALL])
def test_the_page_shows_what_the_calculator_says(traffic: Traffic) -> None:
    """Both loads of the page."""
    assert text(sizes(traffic, measured())) in (DOCS / "sizing.md").read_text()


def test_pods_are_cpu_over_what_may_be_busy() -> None:
    """100,000 events/s at 6 us are 0.6 of a core, which is one pod at 60 %; a little more is two."""
    assert amounts(Traffic(events=100_000))["router pods"] == "1"
    assert amounts(Traffic(events=100_001))["router pods"] == "2"
    assert amounts(Traffic(events=100_000), replace(COSTS, busy=0.3))["router pods"] == "2"


def test_edge_pods_follow_sockets_or_pushes() -> None:
    """Whichever needs more."""
    assert amounts(Traffic(events=1, devices=10_000_001, online=0.1))["edge pods"] == "11"
    assert amounts(Traffic(events=150_000, devices=1000))["edge pods"] == "4"


def test_partitions_have_room_and_an_end() -> None:
    """Four times the pods, rounded up to a number that divides well."""
    assert amounts(Traffic(events=150_000))["partitions"] == "48"
    assert amounts(Traffic(events=1e9))["partitions"] == str(PARTITIONS[-1])


def test_no_room_is_promised_that_is_not_there() -> None:
    """Where the most partitions are less than four times the pods."""
    for events, promised in ((150_000, True), (10_000_000, False)):
        [why] = [size.why for size in sizes(Traffic(events=events), COSTS) if size.what == "partitions"]
        assert why.startswith("room for 4 times") is promised


def test_costs_may_be_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fields that are left out stay as they are; an unknown one or a wrong number is refused."""
    file = tmp_path / "costs.json"
    file.write_text('{"row_bytes": 300}')
    assert main(["--events", "2000", "--devices", "2000000", "--costs", str(file)]) == 0
    assert text(sizes(SMALL, measured(row_bytes=300))) in capsys.readouterr().out
    for wrong in ('{"rows": 1}', '{"row_bytes": -1}', "{"):
        file.write_text(wrong)
        with pytest.raises(SystemExit):
            main(["--costs", str(file)])
    with pytest.raises(SystemExit):
        main(["--events", "0"])
