"""What is said about a device folds to one fate."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from edge.oncall.fates import RANK, Fate, Mark, fold
from streams.outcomes import DEVICE_LEVEL, EVENT_LEVEL, Kind

APPENDED = 1_000_000
EXPIRES = APPENDED + 10_000
BEFORE = APPENDED + 5_000


def marks(*kinds: Kind, device: str = "tv") -> list[Mark]:
    """One mark for each kind, 10 ms apart."""
    return [Mark(device, kind, APPENDED + 10 * place, "stage") for place, kind in enumerate(kinds, 1)]


def one(said: list[Mark], now: int = BEFORE, targets: tuple[str, ...] = ()) -> Fate:
    """The fate of the only device."""
    fates = fold(said, targets, APPENDED, EXPIRES, now)
    assert len(fates) == 1
    return fates[0]


def test_every_kind_of_a_device_has_a_rank() -> None:
    """A kind that is added to the outcomes must be given its place here."""
    assert set(RANK) == set(get_args(Kind)) - EVENT_LEVEL
    assert set(RANK[3:]) == DEVICE_LEVEL


def test_highest_rank_stands_in_whatever_order() -> None:
    """acked outranks pulled, pulled outranks accepted, and any of them what is on the way."""
    kinds: tuple[Kind, ...] = ("stored", "pushed", "pulled", "acked")
    for order in itertools.permutations(kinds):
        assert one(marks(*order)).outcome == "acked"
    assert one(marks("accepted", "stored", "pulled")).outcome == "pulled"
    assert one(marks("stored", "undeliverable")).outcome == "undeliverable"


def test_first_of_the_same_kind_stands() -> None:
    """A second ack changes nothing: the time is that of the first."""
    fate = one(marks("stored", "acked", "acked"))
    assert (fate.ms, fate.terminal, fate.delivered) == (20, True, True)


def test_ranges_of_devices_that_are_not_targeted_do_not_count() -> None:
    """A cursor covers every position, also of notifications that were not for the device."""
    fates = fold([*marks("stored"), *marks("acked", device="phone")], (), APPENDED, EXPIRES, BEFORE)
    assert [fate.device for fate in fates] == ["tv"]


def test_target_of_a_push_counts_though_nothing_was_said() -> None:
    """A push names its targets before the first outcome is there."""
    assert one([], targets=("tv",)).outcome == "stored"
    assert one(marks("pulled"), targets=("tv",)).outcome == "pulled"


@pytest.mark.parametrize("kind", ["acked", "pulled"])
def test_cursor_that_passes_after_the_end_has_not_read_it(kind: Kind) -> None:
    """A row that was not pushed cannot be read after its end, whatever the cursor says."""
    late = Mark("tv", kind, EXPIRES + 1, "edge")
    fate = one([*marks("stored"), late], now=EXPIRES + 2)
    assert (fate.outcome, fate.ms, fate.terminal, fate.delivered) == ("expired", -1, True, False)
    assert one([*marks("stored", "pushed"), late], now=EXPIRES + 2).outcome == kind


def test_the_last_code_of_a_device_stands() -> None:
    """With the time of its first ack; of two in one record the later one."""
    said = [*marks("stored", "pushed", "acked"), Mark("tv", "acked", APPENDED + 40, "edge", code="failed")]
    assert (one(said).code, one(said).ms) == ("failed", 30)
    said.append(Mark("tv", "acked", APPENDED + 40, "edge", code="handled"))
    assert (one(said).code, one(said).ms) == ("handled", 30)
    said.append(Mark("tv", "acked", APPENDED + 50, "edge"))
    assert one(said).code == "handled"
    assert one(marks("stored")).code == ""


def test_a_code_is_not_of_a_cursor_that_passed() -> None:
    """It names the item, so the device had it, whenever it says so."""
    late = Mark("tv", "acked", EXPIRES + 1, "edge", code="ignored")
    fate = one([*marks("stored"), late], now=EXPIRES + 2)
    assert (fate.outcome, fate.code) == ("acked", "ignored")


def test_what_is_stored_expires() -> None:
    """At its end a notification that nobody fetched is expired; before, it is stored, or pushed."""
    assert one(marks("stored"), now=EXPIRES).outcome == "stored"
    assert one(marks("stored", "pushed"), now=EXPIRES + 1).outcome == "expired"
    unknown_end = fold(marks("stored"), (), APPENDED, -1, EXPIRES + 1)
    assert unknown_end[0].outcome == "stored"
