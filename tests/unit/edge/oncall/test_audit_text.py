"""An audit as people and programs see it."""

from __future__ import annotations

import msgspec

from edge.oncall.audit_text import as_object, lines
from tests.unit.edge.oncall.audited import DONE, LANES, NOW, Topics, whole_range


def test_the_table_and_the_object_say_the_same() -> None:
    """Sums by stage and lane, defects with their place, one line at the end."""
    audit = whole_range().audit({**DONE, ("route", "all", ""): 109, ("notify", "high", ""): 9})
    audit.copies["events.high"] = 2
    shown = list(lines(audit, NOW - 3_600_000, NOW, LANES))
    assert "copies, made by replays: events.high 2" in shown
    assert shown[0] == "10 events of 2027-01-15T07:00:00.000Z to 2027-01-15T08:00:00.000Z"
    row = next(line for line in shown if line.startswith("notify"))
    assert row.split() == ["notify", "high", "6", "3", "2", "1", "0", "(superseded", "1,", "merged", "1)"]
    assert shown[-1] == "conserved: every event has its outcome; 2 in flight, 1 devices have not fetched yet"
    built = msgspec.json.decode(as_object(audit, NOW - 3_600_000, NOW))
    assert (built["events"], built["broken"], built["defects"]) == (10, 0, [])
    assert built["stages"][1] == {
        "stage": "notify", "lane": "high", "in": 6, "forwarded": {"notifications.high": 3},
        "outcomes": {"superseded": 1, "merged": 1}, "in_flight": 1, "missing": 0,
    }  # fmt: skip
    broken = Topics(100).audit()
    assert list(lines(broken, 0, 1, LANES))[-2:] == [
        "! 3:100 route in lane all: committed, neither forwarded nor an outcome",
        "broken: 1 defects",
    ]
    [defect] = msgspec.json.decode(as_object(broken, 0, 1))["defects"]
    assert (defect["partition"], defect["offset"]) == (3, 100)
