"""Sessions of the console end by themselves, and are bounded."""

from __future__ import annotations

import pytest

from edge.console import sessions
from edge.console.sessions import IDLE_S, LIFE_S, Sessions


class Clock:
    """Stands until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_a_session_lives_while_it_is_used_but_not_for_ever() -> None:
    """An idle hour ends it, and eight hours in any case; looking at it is no use of it."""
    clock = Clock()
    made = Sessions(clock)
    session = made.open("digest")
    for _ in range(7):
        clock.now += IDLE_S - 1
        assert made.find(session.id) is session
    clock.now = 1000.0 + LIFE_S
    assert made.find(session.id) is None
    idle = made.open("digest")
    clock.now += IDLE_S / 2
    assert made.peek(idle.id) is idle
    clock.now += IDLE_S / 2
    assert len(made) == 0  # also before anybody asks for it again
    assert made.peek(idle.id) is None


def test_signing_out_ends_one_session() -> None:
    """And nothing else; an id that nobody has is no session."""
    made = Sessions(Clock())
    one, other = made.open("a"), made.open("a")
    made.end(one.id)
    made.end("nothing")
    assert made.find(one.id) is None
    assert made.find(other.id) is other
    assert made.find("") is None


def test_only_the_page_of_a_session_knows_its_word() -> None:
    """Each has its own, and what is no text of ours is none."""
    made = Sessions(Clock())
    one, other = made.open("a"), made.open("a")
    assert one.matches(one.csrf)
    assert not one.matches(other.csrf)
    assert not one.matches("")
    assert not one.matches("\udc80é")


def test_the_one_used_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many sign in."""
    monkeypatch.setattr(sessions, "MOST", 2)
    made = Sessions(Clock())
    one, two = made.open("a"), made.open("b")
    made.find(one.id)
    three = made.open("c")
    assert [made.find(each.id) is not None for each in (one, two, three)] == [True, False, True]
