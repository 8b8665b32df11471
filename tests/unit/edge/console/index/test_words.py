"""What of a record can be looked for."""

from __future__ import annotations

from edge.console.index.words import event_id, word, words_of_event, words_of_outcomes
from streams.outcomes import Outcome, encode_outcomes
from tests.unit.fakes import FakeRecord


def test_the_id_of_an_event_in_both_modes() -> None:
    """Also where lockstep takes the event not: the id is what somebody will look for."""
    headers = [("content-type", b"text/plain"), ("CE_ID", b"b1")]
    assert event_id(FakeRecord(0, None, b"x", headers)) == "b1"
    assert event_id(FakeRecord(0, None, b'{"data":{"id":"inner"},"id":"s"}')) == "s"
    assert event_id(FakeRecord(0, None, b'{"id":"s","subject":5}')) == "s"
    assert words_of_event(FakeRecord(0, None, b'{"id":"s"}')) == [word("event", "s")]


def test_records_without_an_id_have_no_word() -> None:
    """Whatever their bytes are."""
    for value in (b'{"id":""}', b'{"id":7}', b"\xff", b"", None, b"[" * 100_000):
        assert words_of_event(FakeRecord(0, None, value)) == [], value


def test_accounts_and_devices_of_outcomes_once_each() -> None:
    """However many outcomes name them."""
    said = [Outcome("stored", "a", 1, ("tv", "phone")), Outcome("pushed", "a", 1, ("tv",)), Outcome("stale", "b", 2)]
    words = words_of_outcomes(FakeRecord(0, None, encode_outcomes("store", 1, said)))
    expected = [word("account", "a"), word("account", "b"), word("device", "tv"), word("device", "phone")]
    assert sorted(words) == sorted(expected)
    assert words_of_outcomes(FakeRecord(0, None, b"\xc1")) == words_of_outcomes(FakeRecord(0, None, None)) == []


def test_the_same_id_of_another_kind_is_another_word() -> None:
    """A device named like an account is not found by it; text that UTF-8 cannot hold has a word too."""
    assert len({word("event", "x"), word("account", "x"), word("device", "x")}) == 3
    assert 0 <= word("event", "\udc80") < 1 << 32
