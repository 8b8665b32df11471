"""No gap and no skip, whatever the order of register, read, write and look-up; and every rule of it is needed."""

from __future__ import annotations

import pytest

from tests.models.gateway import Rules, search

#: A push is lost, is overtaken, was not sent because presence was overlooked; the connection ends; store crashes; Redis
#: restarts, is flushed, falls back to an older copy, has another master that store does not know of yet, is away.
FAULTS = ("lose", "late", "flap", "die", "crash", "restart", "flush", "failover", "split", "away")
#: Without a sweep only a push that never came, with none after it, leaves a gap; and what a former master was told.
NEEDS_SWEEP = {"lose", "flap", "split"}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_skipped_and_nothing_is_missing_in_the_end(fault: str) -> None:
    """Two notifications, one fault at any moment."""
    found = search(Rules(), frozenset([fault]))
    assert not found.faults, str(found)
    assert found.states > 500


@pytest.mark.parametrize("faults", [(), ("lose",), ("late",), ("flap",)])
def test_three_notifications(faults: tuple[str, ...]) -> None:
    """A push may be overtaken, and another one follow it."""
    found = search(Rules(), frozenset(faults), 3)
    assert not found.faults, str(found)


@pytest.mark.parametrize(
    "faults", [("lose", "die"), ("late", "die"), ("flap", "restart"), ("lose", "flush"), ("crash", "die")]
)
def test_two_faults_at_once(faults: tuple[str, ...]) -> None:
    """In any order, at any moments."""
    found = search(Rules(), frozenset(faults))
    assert not found.faults, str(found)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in NEEDS_SWEEP])
def test_no_sweep_is_needed_for_other_faults(fault: str) -> None:
    """The gap is not only closed in the end: it never opens."""
    found = search(Rules(sweep=False), frozenset([fault]))
    assert not found.faults, str(found)


MUTANTS = {
    "presence is read before the inbox write": (Rules(order=("presence", "row", "head"), sweep=False), "", "gap"),
    "the head is raised after presence is read": (Rules(order=("row", "presence", "head"), sweep=False), "", "gap"),
    "the head is raised before the inbox write": (Rules(order=("head", "row", "presence")), "", "skip"),
    "a push is delivered without its chain": (Rules(chained=False), "late", "skip"),
    "a push after a lost one is delivered without its chain": (Rules(chained=False), "lose", "skip"),
    "a head of another life of Redis is believed": (Rules(run_id=False), "failover", "low head"),
    "the inbox is read before presence is written": (Rules(register_first=False, sweep=False), "", "gap"),
    "store goes on where it was after an outage": (Rules(replay=False), "away", "low head"),
    "a session that is registered again does not sync": (Rules(recovery_syncs=False, sweep=False), "restart", "gap"),
    "no sweep after a push was lost": (Rules(sweep=False), "lose", "gap"),
    "no sweep after presence was overlooked": (Rules(sweep=False), "flap", "gap"),
    "a sweep takes unknown heads for none": (Rules(sweep_unknown=False), "split", "gap"),
    "unknown heads are filled though Redis was flushed": (Rules(fill="always"), "flush", "low head"),
    "unknown heads are filled though Redis has restarted": (Rules(fill="always"), "restart", "skip"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_caught(mutant: str) -> None:
    """A system that breaks the rule has the fault, and the model finds it."""
    rules, fault, expected = MUTANTS[mutant]
    assert expected in search(rules, frozenset([fault])).faults
