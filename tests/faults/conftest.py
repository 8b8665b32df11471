"""The systems of the end-to-end tests, for tests that break what they stand on; and how these say what came of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.conftest import prepare, running, system
from tests.e2e.oracle import Verdict

__all__ = ["accept", "prepare", "running", "system"]

#: Takes a verdict, what happened in words, and the number of faults.
Accept = Callable[[Verdict, str, int], None]


@pytest.fixture
def accept(record_property: Callable[[str, object], None], tell: Callable[[str], None]) -> Accept:
    """Tells the terminal and the tally of `make faults` what came of a load, and fails unless all is well."""

    def judged(verdict: Verdict, what: str, faults: int) -> None:
        record_property("events", verdict.events)
        record_property("faults", faults)
        record_property("lost", len(verdict.lost))
        record_property("duplicate_visible", len(verdict.twice) + len(verdict.unexpected))
        record_property("unexplained", len(verdict.without_outcome) + len(verdict.unaccounted))
        tell(f"{what}: {verdict}")
        assert verdict.good, f"{what}: {verdict}"

    return judged
