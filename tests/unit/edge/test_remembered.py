"""What was worked out before, for a bounded number of keys."""

from __future__ import annotations

from edge.remembered import Remembered


def test_what_is_asked_for_stays() -> None:
    """The others go when so many came after them; all of them at most twice as many."""
    known: Remembered[bytes, int] = Remembered(2)
    for number in range(20):
        known.put(b"%d" % number, number)
        assert known.get(b"0") == 0
        assert len(known) <= 4
    assert known.get(b"1") is None
    assert known.get(b"19") == 19


def test_all_are_forgotten() -> None:
    """At once."""
    known: Remembered[bytes, int] = Remembered(2)
    for number in range(3):
        known.put(b"%d" % number, number)
    known.clear()
    assert (len(known), known.get(b"0"), known.get(b"2")) == (0, None, None)


def test_a_newer_value_takes_the_place_of_the_older() -> None:
    """However often: no other key goes for it."""
    known: Remembered[str, int] = Remembered(2)
    for number in range(9):
        known.put("a", number)
        known.put("b", -number)
    assert (known.get("a"), known.get("b"), len(known)) == (8, -8, 2)
