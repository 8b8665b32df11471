"""The circuit breaker, by a clock of its own."""

from __future__ import annotations

from sinks.breaker import FAILURES, FIRST_S, LONGEST_S, Breaker


def _open() -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        assert breaker.wait(0.0) == 0.0
        breaker.failed(0.0)
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """One success in between begins the count anew."""
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed(0.0)
        breaker.succeeded()
    assert (breaker.wait(0.0), breaker.opened) == (0.0, 0)
    assert (_open().wait(0.0), _open().opened) == (FIRST_S, 1)


def test_one_request_tries_for_all() -> None:
    """The others wait until it is answered."""
    breaker = _open()
    assert breaker.wait(FIRST_S) == 0.0
    assert breaker.wait(FIRST_S + 0.25) == FIRST_S - 0.25
    breaker.succeeded()
    assert breaker.wait(FIRST_S + 0.5) == 0.0


def test_to_ask_whether_it_is_shut_changes_nothing() -> None:
    """The one request that tries is another's."""
    breaker = _open()
    assert [breaker.shut(now) for now in (0.0, 0.25, FIRST_S, FIRST_S)] == [FIRST_S, FIRST_S - 0.25, 0.0, 0.0]
    assert (breaker.wait(FIRST_S), breaker.shut(FIRST_S)) == (0.0, FIRST_S)


def test_a_request_that_never_ends_is_followed_by_another() -> None:
    """Its worker may have gone."""
    breaker = _open()
    assert breaker.wait(FIRST_S) == 0.0
    assert breaker.wait(2 * FIRST_S) == 0.0


def test_while_it_fails_the_pauses_grow() -> None:
    """Up to a minute."""
    breaker, now = _open(), 0.0
    for _ in range(10):
        now += breaker.wait(now)
        assert breaker.wait(now) == 0.0
        breaker.failed(now)
    assert breaker.wait(now) == LONGEST_S
    breaker.succeeded()
    for _ in range(FAILURES):
        breaker.failed(now)
    assert breaker.wait(now) == FIRST_S


def test_what_was_sent_before_it_opened_changes_nothing() -> None:
    """A hundred requests that time out together are one failure."""
    breaker = _open()
    for _ in range(100):
        breaker.failed(0.5)
    assert breaker.wait(0.5) == FIRST_S - 0.5


def test_a_provider_may_ask_for_a_pause() -> None:
    """The longest counts; it is no failure."""
    breaker = Breaker()
    breaker.pause(0.0, 10.0)
    breaker.pause(0.0, 5.0)
    assert breaker.wait(4.0) == 6.0
    assert (breaker.wait(10.0), breaker.wait(10.0)) == (0.0, 0.0)
