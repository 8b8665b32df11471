"""The rules of the Python client: repeats, pauses with full jitter, and the cure of each error that the pages name."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from lockstep_client.rules import MOST_S, Backoff, Closed, Cure, Refused, Seen

from edge.problems import PREFIX
from tests.unit.fakes import ROOT

PAGE = (ROOT / "docs" / "devices.md").read_text()
#: What the page says of a close code or a problem, and what that means to a client.
SAYS = {
    "Get a new token": Cure.RENEW,
    "Register": Cure.REGISTER,
    "Load the whole state": Cure.RESYNC,
    "Start without a cursor": Cure.RESYNC,
    "Connect again": Cure.AGAIN,
    "The connection broke": Cure.AGAIN,
    "A store cannot be reached": Cure.AGAIN,
    "Retry-After": Cure.AGAIN,
    "A defect": Cure.AGAIN,
}


def item(position: int, lane: str = "high", rest: int = 0) -> dict[str, Any]:
    """An item at a position of a lane."""
    return {"lane": lane, "id": f"{position:016x}{rest:016x}"}


def test_within_a_lane_positions_rise() -> None:
    """What is not above the last one of its lane is a repeat; the other lanes are not touched."""
    seen = Seen()
    assert [seen.is_new(item(n)) for n in (1, 2, 2, 1, 255, 256, 3)] == [True, True, False, False, True, True, False]
    assert seen.is_new(item(3, "low"))
    assert seen.repeats == 3


def test_an_id_is_new_once_in_any_lane() -> None:
    """An id that comes again is a repeat although its lane stands below; very old ones are forgotten."""
    seen = Seen()
    assert seen.is_new(item(7))
    assert not seen.is_new(item(7, "low"))
    assert all(seen.is_new(item(n)) for n in range(8, 1100))
    assert seen.is_new(item(7, "low"))


def test_pauses_double_up_to_the_longest_and_all_of_a_pause_is_chance() -> None:
    """With the greatest chance they are the longest; in the mean they are half of that."""
    most = Backoff(lambda: 1.0)
    assert [most.next() for _ in range(7)] == [1, 2, 4, 8, 16, MOST_S, MOST_S]
    most.reset()
    assert most.next() == 1
    chance = random.Random(1)
    pauses = [pause for backoff in (Backoff(chance.random) for _ in range(2000)) for pause in [backoff.next()]]
    assert min(pauses) < 0.01
    assert max(pauses) > 0.99
    assert 0.47 < sum(pauses) / len(pauses) < 0.53


def cures(text: str) -> Cure:
    """What a cell of the page asks for; anything else is a client to repair."""
    return next((cure for start, cure in SAYS.items() if start in text), Cure.NOTHING)


@pytest.mark.parametrize(
    ("code", "name", "what"),
    [
        (int(code), name, what)
        for codes, names, what in re.findall(r"^\| ([\d, ]{4,}) \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
        for code in codes.split(", ")
        for name in re.findall(r"`([a-z-]+)`", names) or [""]
        if int(code) > 1000
    ],
)
def test_a_close_code_has_the_cure_that_the_page_says(code: int, name: str, what: str) -> None:
    """With the error message, and without it where the code says it too."""
    expected = cures(what) if name != "replaced" else Cure.NOTHING
    assert Closed(code, {"error": name}).cure is expected
    if code != 4400:
        assert Closed(code, {}).cure is expected


@pytest.mark.parametrize(
    ("status", "name", "what"),
    [
        (int(status), name, what)
        for statuses, names, what in re.findall(r"^\| ([\d, ]{3,}) \| (`[a-z`, -]+`) \| (.*) \|$", PAGE, re.MULTILINE)
        for status in statuses.split(", ")
        for name in re.findall(r"`([a-z-]+)`", names)
        if int(status) < 1000
    ],
)
def test_a_problem_has_the_cure_that_the_page_says(status: int, name: str, what: str) -> None:
    """A cursor that cannot be read is the one request that the client repairs by itself."""
    expected = Cure.RESYNC if name == "malformed-cursor" else cures(what)
    assert Refused(status, {"type": PREFIX + name}).cure is expected


@pytest.mark.parametrize("problem", [{}, {"type": "about:blank"}, {"type": "https://proxy.example/denied"}])
def test_what_the_edge_has_not_said_is_tried_again(problem: dict[str, str]) -> None:
    """A proxy or a captive portal may let it through a little later."""
    assert Refused(403, problem).cure is Cure.AGAIN


def test_errors_say_what_they_are() -> None:
    """Status or code, type and detail, and when to come back."""
    refused = Refused(503, {"type": PREFIX + "unavailable", "title": "Gone", "detail": "a store"}, 5.0)
    assert str(refused) == f"503 {PREFIX}unavailable: a store"
    assert str(Refused(404, {"title": "Gone"})) == "404 : Gone"
    assert str(Closed(4401, {"error": "bad-token", "detail": "over"})) == "closed with 4401 bad-token over"
    assert (str(Closed(1006, {})), refused.retry_after, Closed(1001, {}, 2.5).retry_after) == (
        "closed with 1006",
        5,
        2.5,
    )
