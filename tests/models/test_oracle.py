"""The oracle sees what it is there to see: each wrong alone is found, and nothing is found where nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.envelope import position
from streams.outcomes import Outcome
from tests.e2e.load import LANE_OF, TYPES, Planned, Published, plan
from tests.e2e.oracle import Ends, Shown, Verdict, judge_visible

ACCOUNTS = 5
NUMBERS = range(600)
DEVICES = ("tv",)


class Scene:
    """A load of which everything went well; tests then spoil something."""

    def __init__(self) -> None:
        self.published = Published(NUMBERS)
        for number in NUMBERS:
            self.published.offsets[number] = number
        self.shown = {f"account-{n}": Shown(n, ACCOUNTS) for n in range(ACCOUNTS)}
        self.outcomes = {event.number: _outcome(event) for event in _planned()}

    def show(self, *left_out: int) -> None:
        """Every good event is shown but these."""
        for event in _planned():
            if event.kind == "good" and event.number not in left_out:
                self.shown[event.account].add(event.id)

    def judge(self) -> Verdict:
        """The verdict."""
        verdict, ends = Verdict(len(NUMBERS)), Ends()
        ends.add(self.outcomes.values())
        judge_visible(verdict, self.published, ACCOUNTS, "tv", self.shown, ends)
        ends.judge(verdict, self.published, ACCOUNTS, DEVICES)
        return verdict


def _planned() -> Iterator[Planned]:
    return (plan(number, ACCOUNTS) for number in NUMBERS)


def _outcome(event: Planned) -> Outcome:
    """What should become of it: for a good event a range that holds just this one."""
    seq = position(1, event.number)
    if event.kind != "good":
        return Outcome(event.kind, event.account, seq)
    return Outcome("acked", event.account, seq, DEVICES, since=seq - 1, lane=LANE_OF[event.type])


def first(kind: str) -> Planned:
    """The first event of a class that is not of the last turns."""
    return next(event for event in _planned() if event.kind == kind)


@pytest.fixture
def scene() -> Scene:
    """Nothing is wrong yet."""
    return Scene()


def test_all_classes_are_planned_and_all_is_well(scene: Scene) -> None:
    """Good ones, duplicates and stale ones; the verdict on what must be is good."""
    assert {event.kind for event in _planned()} == {"good", "duplicate", "stale"}
    scene.show()
    assert scene.judge().good, str(scene.judge())


def test_an_event_that_is_not_shown_is_lost(scene: Scene) -> None:
    """Alone, and in spite of an outcome that says that it was acked."""
    scene.show(first("good").number)
    verdict = scene.judge()
    assert len(verdict.lost) == 1
    assert [verdict.twice, verdict.unexpected, verdict.without_outcome] == [[], [], []]


def test_an_event_that_is_shown_again_is_found(scene: Scene) -> None:
    """Once is enough."""
    scene.show()
    event = first("good")
    scene.shown[event.account].add(event.id)
    assert scene.judge().twice == [f"tv of {event.account}: {event.id}"]


@pytest.mark.parametrize("id_", ["e1", "nonsense", "e-5", "e"])
def test_what_nobody_sent_to_the_account_is_found(scene: Scene, id_: str) -> None:
    """Another account's event, or none at all."""
    scene.show()
    scene.shown["account-0"].add(id_)
    assert scene.judge().unexpected == [f"tv of account-0: {id_}"]


def test_a_stale_event_must_not_be_shown(scene: Scene) -> None:
    """It was too old when it came."""
    scene.show()
    event = first("stale")
    scene.shown[event.account].add(event.id)
    assert len(scene.judge().unexpected) == 1


@pytest.mark.parametrize("kind", ["good", "duplicate", "stale"])
def test_an_event_without_an_outcome_is_found(scene: Scene, kind: str) -> None:
    """Whatever its class."""
    scene.show()
    del scene.outcomes[first(kind).number]
    assert len(scene.judge().without_outcome) == 1


def test_a_superseded_event_needs_a_newer_one_that_was_shown(scene: Scene) -> None:
    """Of its account and type; without it the event is lost like any other."""
    event = first("good")
    scene.outcomes[event.number] = Outcome("superseded", event.account, position(1, event.number))
    later = range(event.number + ACCOUNTS * len(TYPES), NUMBERS.stop, ACCOUNTS * len(TYPES))
    scene.show(event.number)
    assert scene.judge().good
    spoiled = Scene()
    spoiled.outcomes[event.number] = scene.outcomes[event.number]
    spoiled.show(event.number, *later)
    assert any(event.id in found for found in spoiled.judge().lost)


def test_what_the_broker_did_not_ack_need_not_come(scene: Scene) -> None:
    """It may, and it may have no outcome."""
    event = first("good")
    scene.published.offsets[event.number] = -1
    del scene.outcomes[event.number]
    scene.show(event.number)
    assert scene.judge().good
