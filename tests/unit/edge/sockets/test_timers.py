"""Timers: every member comes round, every deadline fires once."""

from hypothesis import given
from hypothesis import strategies as st

from edge.sockets.timers import Deadlines, Ring


@given(st.integers(1, 10), st.integers(0, 20), st.integers(0, 9))
def test_a_member_of_a_ring_comes_once_in_a_period(period: int, start: int, early: int) -> None:
    """The first time after a whole period, or so much earlier."""
    early %= period
    ring: Ring[str] = Ring(period)
    for _ in range(start):
        assert ring.advance() == []
    slot = ring.add("a", early)
    turns = [tick for tick in range(1, 3 * period + 1) if ring.advance() == ["a"]]
    assert turns[:3] == [n * period - early for n in (1, 2, 3)]
    ring.discard(slot, "a")
    assert all(ring.advance() == [] for _ in range(period))


def test_deadlines_fire_in_order_and_once() -> None:
    """Members that made it, or were entered twice, do not move them."""
    deadlines: Deadlines[str] = Deadlines(2)
    deadlines.add("a")
    deadlines.add("b")
    assert deadlines.advance() == []
    deadlines.add("a")
    deadlines.add("c")
    deadlines.discard("b")
    deadlines.discard("nobody")
    assert deadlines.members() == ["a", "c"]
    assert "a" in deadlines
    assert "b" not in deadlines
    assert deadlines.advance() == ["a"]
    assert len(deadlines) == 1
    assert deadlines.advance() == ["c"]
    assert deadlines.advance() == []
