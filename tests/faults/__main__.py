"""`python -m tests.faults`: crashes at every point, broken servers and mutants; the last line says the result in JSON.

EVENTS=N publishes at least N events during the crashes, and at least 100,000 at each point.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from typing import Final

import pytest

from tests.faults.points import one_by_one

LEAST_PER_POINT: Final = 100_000
SUITES: Final = ("tests/faults", "tests/models", "tests/mutants")
#: What a test may say of itself by `record_property`.
NUMBERS: Final = ("events", "faults", "lost", "duplicate_visible", "unexplained", "mutants", "mutants_caught")


class Tally:
    """A plugin that adds up what the tests say."""

    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter(dict.fromkeys(NUMBERS, 0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One test is over."""
        if report.when != "call":
            return
        said = {name: value for name, value in report.user_properties if name in NUMBERS and isinstance(value, int)}
        self.numbers.update(said)

    def line(self) -> str:
        """The result as one line of JSON."""
        shown: dict[str, object] = {name: self.numbers[name] for name in NUMBERS if not name.startswith("mutants")}
        shown["mutants_caught"] = f"{self.numbers['mutants_caught']}/{self.numbers['mutants']}"
        return json.dumps(shown)


def main() -> int:
    """Run all; 1 when anything is not as it must be."""
    events = int(os.environ.pop("EVENTS", "1000000"))  # no test but the crash points' shall have so many
    os.environ["EVENTS_PER_POINT"] = str(max(LEAST_PER_POINT, -(-events // len(one_by_one()))))
    tally = Tally()
    status = pytest.main(["-q", *SUITES], plugins=[tally])
    sys.stdout.write(f"{tally.line()}\n")
    wrong = sum(tally.numbers[name] for name in ("lost", "duplicate_visible", "unexplained"))
    caught = 0 < tally.numbers["mutants_caught"] == tally.numbers["mutants"]
    return 0 if status == 0 and not wrong and caught and tally.numbers["events"] >= events else 1


if __name__ == "__main__":
    sys.exit(main())
